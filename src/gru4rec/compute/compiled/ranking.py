"""Scores against the whole catalogue, a tile at a time: torch multiplies, compiled loops compare.

The memory of a tile is bounded, however large the catalogue.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.compute.compiled import ranking_kernels
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.plain import Best, Ints

LARGEST_K = 1024  # from which on sorting all scores costs less than keeping the best
# columns, and rows, from which on a matrix product rounds as with any number of them
_FEWEST, _FEWEST_STATES = 256, 17


def count_scores(
    output: Tensor,
    bias: Tensor,
    states: Tensor,
    targets: Tensor,
    seen: Sequence[Sequence[int]] | None,
    tile: int,
) -> tuple[Ints, Ints]:
    """Does what `Plain.count_scores` does, with about `tile` scores in memory."""
    n, targets = len(states), targets.contiguous()
    found = torch.full((n,), torch.nan)
    at_least, equal = torch.zeros(2, n, dtype=torch.int64)
    counts = {"targets": targets, "found": found, "at_least": at_least, "equal": equal}
    loop = Loop(ranking_kernels.count_tile, grain=16, **counts, **left_out(seen, n))
    own = own_scores(output, bias, states, targets)
    for _ in range(2):
        at_least.zero_()
        equal.zero_()
        for first, scores, biases in _tiles(output, bias, states, tile):
            loop(n, scores=scores, biases=biases, own=own, first=first, width=len(biases))
        # should the products have rounded differently, the second time they are the same
        if torch.equal(found, own):
            break
        own = found.clone()
    return at_least.numpy(), equal.numpy()


def best_items(
    output: Tensor,
    bias: Tensor,
    states: Tensor,
    k: int,
    seen: Sequence[Sequence[int]] | None,
    tile: int,
) -> Best:
    """Does what `Plain.best_items` does, with about `tile` scores in memory."""
    n = len(states)
    values, items = torch.empty(n, k), torch.empty(n, k, dtype=torch.int64)
    sizes = torch.zeros(n, dtype=torch.int64)
    loop = Loop(
        ranking_kernels.best_of_tile,
        grain=16,
        values=values,
        items=items,
        sizes=sizes,
        k=k,
        **left_out(seen, n),
    )
    for first, scores, biases in _tiles(output, bias, states, tile):
        loop(n, scores=scores, biases=biases, first=first, width=len(biases))
    lengths = sizes.numpy()
    is_filled = np.arange(k) < lengths[:, None]
    return Best(items.numpy()[is_filled], values.numpy()[is_filled], lengths)


def left_out(seen: Sequence[Sequence[int]] | None, n: int) -> dict[str, Any]:
    """The items to leave out as loops take them: ascending, row after row, and where rows end."""
    rows = [sorted(row) for row in seen] if seen else [[]] * n
    flat = torch.tensor([item for row in rows for item in row], dtype=torch.int64)
    ends = torch.tensor([len(row) for row in rows]).cumsum(0)
    return {"seen": flat, "seen_ends": ends, "n_seen": len(flat)}


def own_scores(output: Tensor, bias: Tensor, states: Tensor, targets: Tensor) -> Tensor:
    """Returns the scores of the targets, shape (n,), as a product with all items rounds them."""
    own, n_parts = [], -(-len(states) // _FEWEST)
    # of nearly the same size: a small one would be rounded in another way
    parts = zip(states.tensor_split(n_parts), targets.tensor_split(n_parts), strict=True)
    for rows, wanted in parts:
        repeated = wanted.repeat(-(-_FEWEST // len(wanted)))
        products = torch.empty(len(rows), len(repeated))
        _multiply(rows, output[repeated], products)
        own.append(products.diagonal())
    return torch.cat(own) + bias[targets]


def _tiles(
    output: Tensor, bias: Tensor, states: Tensor, tile: int
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yields the products of states (n, units) with the output embeddings, a tile at a time.

    Yields:
        Index of the first item, products of shape (n, items of the tile), which the next tile
        overwrites, and biases of the items.
    """
    n, n_items = len(states), len(output)
    n_tiles = -(-n_items // max(512, tile // n))
    room = torch.empty(n * -(-n_items // n_tiles))
    # all tiles are nearly as wide: a narrow one would be rounded in another way
    ends = [n_items * number // n_tiles for number in range(n_tiles + 1)]
    for first, end in itertools.pairwise(ends):
        scores = room[: n * (end - first)].view(n, end - first)
        _multiply(states, output[first:end], scores)
        yield first, scores, bias[first:end]


def _multiply(states: Tensor, rows: Tensor, out: Tensor) -> None:
    """Fills in the products of states with rows, rounded the same wherever a row is."""
    n, n_rows = out.shape
    few_states, few_rows = max(0, _FEWEST_STATES - n), max(0, _FEWEST - n_rows)
    if not (few_states or few_rows):
        torch.mm(states, rows.T, out=out)
        return
    states, rows = F.pad(states, (0, 0, 0, few_states)), F.pad(rows, (0, 0, 0, few_rows))
    out.copy_((states @ rows.T)[:n, :n_rows])
