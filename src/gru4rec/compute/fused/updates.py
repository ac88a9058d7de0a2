"""Kernels of the update: gradients of an item are summed, and Adagrad changes the rows, at once.

The same bits each time: nothing is added atomically, and the order of a sum depends on the batch
alone.
"""

from typing import NamedTuple

import triton
import triton.language as tl
from torch import Tensor

_EPSILON = tl.constexpr(1e-6)  # `model.optimizer.EPSILON`


class Updated(NamedTuple):
    """What Adagrad changes together.

    Attributes:
        values: Parameters.
        accumulators: Of the same shape.
        velocities: Likewise; None without momentum.
    """

    values: Tensor
    accumulators: Tensor
    velocities: Tensor | None

    @property
    def pointers(self) -> tuple[Tensor, Tensor, Tensor]:
        """All three; without momentum the last is not read."""
        values, accumulators, velocities = self
        return values, accumulators, values if velocities is None else velocities


class Rates(NamedTuple):
    """Numbers of Adagrad.

    Attributes:
        learning_rate: lr.
        momentum: μ.
    """

    learning_rate: float
    momentum: float


@triton.jit
def _adagrad(values, accumulators, velocities, at, mask, gradient, rate, momentum, MOVES):
    accumulator = tl.load(accumulators + at, mask=mask, other=1.0) + gradient * gradient
    tl.store(accumulators + at, accumulator, mask=mask)
    step = gradient / tl.sqrt(accumulator + _EPSILON) * -rate
    if MOVES:
        step += momentum * tl.load(velocities + at, mask=mask, other=0.0)
        tl.store(velocities + at, step, mask=mask)
    tl.store(values + at, tl.load(values + at, mask=mask, other=0.0) + step, mask=mask)


# in a graph the items of some steps lie otherwise, and while it is captured nothing is compiled
@triton.jit(
    do_not_specialize=["n_places", "n_candidates", "n_rows"],
    do_not_specialize_on_alignment=["ascending", "order", "ends"],
)
def _update_rows(
    ascending,
    order,
    ends,
    by_candidates,
    by_inputs,
    by_scores,
    values,
    accumulators,
    velocities,
    bias,
    bias_accumulators,
    bias_velocities,
    rate,
    momentum,
    n_places,
    n_candidates,
    n_rows,
    width,
    MOVES: tl.constexpr,
    BIASED: tl.constexpr,
    COLUMNS: tl.constexpr,
    ROWS: tl.constexpr,
    PLACES: tl.constexpr,
):
    place = tl.program_id(0)
    item = tl.load(ascending + place)
    before = tl.load(ascending + place - 1, mask=place > 0, other=-1)
    if item != before:  # else another program has this item
        end = tl.load(ends + place)
        columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
        is_column = columns < width
        total = tl.zeros([COLUMNS], values.dtype.element_ty)
        for first in range(place, end, PLACES):
            nth = first + tl.arange(0, PLACES)
            where = tl.load(order + nth, mask=nth < end, other=n_places)
            of_candidate = (where < n_candidates)[:, None] & is_column[None, :]
            of_input = ((where >= n_candidates) & (where < n_places))[:, None] & is_column[None, :]
            one = tl.load(
                by_candidates + where[:, None] * width + columns[None, :],
                mask=of_candidate,
                other=0.0,
            )
            other = tl.load(
                by_inputs + (where - n_candidates)[:, None] * width + columns[None, :],
                mask=of_input,
                other=0.0,
            )
            total += tl.sum(one + other, axis=0)
        _adagrad(
            values,
            accumulators,
            velocities,
            item * width + columns,
            is_column,
            total,
            rate,
            momentum,
            MOVES,
        )
        if BIASED:
            # inputs have biases, too, but only those of candidates, which come first, are used
            if (tl.program_id(1) == 0) & (tl.load(order + place) < n_candidates):
                rows = tl.arange(0, ROWS)
                sums = tl.zeros([ROWS], values.dtype.element_ty)
                for first in range(place, end, PLACES):
                    nth = first + tl.arange(0, PLACES)
                    where = tl.load(order + nth, mask=nth < end, other=n_places)
                    mask = (where < n_candidates)[:, None] & (rows < n_rows)[None, :]
                    scores = tl.load(
                        by_scores + rows.to(tl.int64)[None, :] * n_candidates + where[:, None],
                        mask=mask,
                        other=0.0,
                    )
                    sums += tl.sum(scores, axis=0)
                _adagrad(
                    bias,
                    bias_accumulators,
                    bias_velocities,
                    item,
                    item >= 0,
                    tl.sum(sums, axis=0),
                    rate,
                    momentum,
                    MOVES,
                )


class Segments(NamedTuple):
    """Which places of a step are of the same item.

    Attributes:
        ascending: Items of all places in ascending order, shape (n,).
        order: The place of each of them; those of an item ascend; shape (n,).
        ends: Where the places of the item end among these, shape (n,).
    """

    ascending: Tensor
    order: Tensor
    ends: Tensor


def update_rows(
    segments: Segments,
    by_candidates: Tensor,
    by_inputs: Tensor,
    table: Updated,
    rates: Rates,
    by_scores: Tensor | None = None,
    biases: Updated | None = None,
) -> None:
    """Sums gradients by item and updates the rows of the items.

    Args:
        segments: Of the places, candidates before inputs.
        by_candidates: Gradient by the row of each candidate, shape (n_candidates, width).
        by_inputs: By that of each input, shape (n, width).
        table: Rows of width numbers.
        rates: Of Adagrad.
        by_scores: Gradient by the scores, shape (n_rows, n_candidates), whose sums are those by
            the biases of the candidates.
        biases: A number an item; None: by_scores is not asked for.
    """
    width = table.values.shape[1]
    columns = min(512, triton.next_power_of_2(width))
    n_places = len(segments.ascending)
    scores, of_biases = (by_candidates, table) if biases is None else (by_scores, biases)
    assert scores is not None  # noqa: S101  (biases have scores)
    n_rows = len(scores)
    _update_rows[n_places, triton.cdiv(width, columns)](
        *segments,
        by_candidates,
        by_inputs,
        scores,
        *table.pointers,
        *of_biases.pointers,
        *rates,
        n_places,
        len(by_candidates),
        n_rows,
        width,
        MOVES=table.velocities is not None,
        BIASED=biases is not None,
        COLUMNS=columns,
        ROWS=triton.next_power_of_2(n_rows) if biases is not None else 1,
        PLACES=4,
        num_warps=max(1, min(4, columns // 64)),
    )
