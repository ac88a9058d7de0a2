"""Kernels of the common GRU cell, see `compute.cells.gru`: all that surrounds its products."""

import torch
import triton
import triton.language as tl
from torch import Tensor

from gru4rec.compute.fused.updates import Rates, Updated, _adagrad

_MANY = 256  # units from which on larger tiles of weights are updated


@triton.jit
def _tanh(x):
    power = tl.exp(-2 * tl.abs(x))
    size = (1 - power) / (1 + power)
    return tl.where(x < 0, -size, size)


@triton.jit(do_not_specialize=["n"])
def _forward(
    by_x,
    by_h,
    b_ih,
    b_hh,
    h,
    states,
    saved,
    n,
    units,
    BLOCK: tl.constexpr,
):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    size = n * units
    mask = at < size
    unit = at % units
    of = (at // units) * (3 * units) + unit
    r = tl.load(by_x + of, mask=mask, other=0.0) + tl.load(b_ih + unit, mask=mask, other=0.0)
    r += tl.load(by_h + of, mask=mask, other=0.0) + tl.load(b_hh + unit, mask=mask, other=0.0)
    r = tl.sigmoid(r)
    of, unit = of + units, unit + units
    z = tl.load(by_x + of, mask=mask, other=0.0) + tl.load(b_ih + unit, mask=mask, other=0.0)
    z += tl.load(by_h + of, mask=mask, other=0.0) + tl.load(b_hh + unit, mask=mask, other=0.0)
    z = tl.sigmoid(z)
    of, unit = of + units, unit + units
    x_c = tl.load(by_x + of, mask=mask, other=0.0) + tl.load(b_ih + unit, mask=mask, other=0.0)
    h_c = tl.load(by_h + of, mask=mask, other=0.0) + tl.load(b_hh + unit, mask=mask, other=0.0)
    candidate = _tanh(x_c + r * h_c)
    before = tl.load(h + at, mask=mask, other=0.0)
    tl.store(states + at, candidate + z * (before - candidate), mask=mask)
    tl.store(saved + at, r, mask=mask)
    tl.store(saved + size + at, z, mask=mask)
    tl.store(saved + 2 * size + at, candidate, mask=mask)
    tl.store(saved + 3 * size + at, h_c, mask=mask)


@triton.jit(do_not_specialize=["n"])
def _backward(gradient, h, saved, by_x, by_h, n, units, BLOCK: tl.constexpr):
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = at < n * units
    size = n * units
    r = tl.load(saved + at, mask=mask, other=0.0)
    z = tl.load(saved + size + at, mask=mask, other=0.0)
    candidate = tl.load(saved + 2 * size + at, mask=mask, other=0.0)
    h_c = tl.load(saved + 3 * size + at, mask=mask, other=0.0)
    before = tl.load(h + at, mask=mask, other=0.0)
    given = tl.load(gradient + at, mask=mask, other=0.0)
    d_c = given * (1 - z) * (1 - candidate * candidate)
    d_r = d_c * h_c * r * (1 - r)
    d_z = given * (before - candidate) * z * (1 - z)
    to = (at // units) * (3 * units) + at % units
    tl.store(by_x + to, d_r, mask=mask)
    tl.store(by_x + to + units, d_z, mask=mask)
    tl.store(by_x + to + 2 * units, d_c, mask=mask)
    tl.store(by_h + to, d_r, mask=mask)
    tl.store(by_h + to + units, d_z, mask=mask)
    tl.store(by_h + to + 2 * units, d_c * r, mask=mask)


@triton.jit
def _update_tile(
    by,
    left,
    values,
    accumulators,
    velocities,
    bias,
    bias_accumulators,
    bias_velocities,
    rate,
    momentum,
    n,
    width,
    gates,
    MOVES: tl.constexpr,
    GATES: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    rows = tl.program_id(0) * GATES + tl.arange(0, GATES)
    columns = tl.program_id(1) * COLUMNS + tl.arange(0, COLUMNS)
    is_row, is_column = rows < gates, columns < width
    total = tl.zeros([GATES, COLUMNS], tl.float32)
    sums = tl.zeros([GATES, DEPTH], tl.float32)
    for start in range(0, n, DEPTH):
        inner = start + tl.arange(0, DEPTH)
        is_inner = inner < n
        of_by = is_row[:, None] & is_inner[None, :]
        of_left = is_inner[:, None] & is_column[None, :]
        d = tl.load(by + inner[None, :] * gates + rows[:, None], mask=of_by, other=0.0)
        x = tl.load(left + inner[:, None] * width + columns[None, :], mask=of_left, other=0.0)
        total = tl.dot(d, x, total, input_precision=PRECISION)
        sums += d
    _adagrad(
        values,
        accumulators,
        velocities,
        rows[:, None] * width + columns[None, :],
        is_row[:, None] & is_column[None, :],
        total,
        rate,
        momentum,
        MOVES,
    )
    if tl.program_id(1) == 0:
        _adagrad(
            bias,
            bias_accumulators,
            bias_velocities,
            rows,
            is_row,
            tl.sum(sums, axis=1),
            rate,
            momentum,
            MOVES,
        )


@triton.jit(do_not_specialize=["n"])
def _update(
    by_x,
    by_h,
    x,
    h,
    w_ih,
    w_ih_accumulators,
    w_ih_velocities,
    w_hh,
    w_hh_accumulators,
    w_hh_velocities,
    b_ih,
    b_ih_accumulators,
    b_ih_velocities,
    b_hh,
    b_hh_accumulators,
    b_hh_velocities,
    rate,
    momentum,
    n,
    width,
    units,
    MOVES: tl.constexpr,
    GATES: tl.constexpr,
    COLUMNS: tl.constexpr,
    DEPTH: tl.constexpr,
    PRECISION: tl.constexpr,
):
    if tl.program_id(2) == 0:
        _update_tile(
            by_x,
            x,
            w_ih,
            w_ih_accumulators,
            w_ih_velocities,
            b_ih,
            b_ih_accumulators,
            b_ih_velocities,
            rate,
            momentum,
            n,
            width,
            3 * units,
            MOVES,
            GATES,
            COLUMNS,
            DEPTH,
            PRECISION,
        )
    else:
        _update_tile(
            by_h,
            h,
            w_hh,
            w_hh_accumulators,
            w_hh_velocities,
            b_hh,
            b_hh_accumulators,
            b_hh_velocities,
            rate,
            momentum,
            n,
            units,
            3 * units,
            MOVES,
            GATES,
            COLUMNS,
            DEPTH,
            PRECISION,
        )


def forward(
    by_x: Tensor, by_h: Tensor, h: Tensor, weights: dict[str, Tensor]
) -> tuple[Tensor, Tensor]:
    """Advances the states of a layer.

    Args:
        by_x: x·W_ihᵀ, shape (n, 3·units).
        by_h: h·W_hhᵀ, shape (n, 3·units).
        h: States, shape (n, units).
        weights: With `bias_ih` and `bias_hh`.

    Returns:
        The new states, and what `backward` takes: both gates, the candidate, and the part of it
        that the reset gate was multiplied by, shape (4, n, units).
    """
    n, units = h.shape
    states, saved = torch.empty_like(h), h.new_empty(4, n, units)
    _forward[triton.cdiv(n * units, 256),](
        by_x,
        by_h,
        weights["bias_ih"],
        weights["bias_hh"],
        h,
        states,
        saved,
        n,
        units,
        BLOCK=256,
        num_warps=4,
    )
    return states, saved


def backward(gradient: Tensor, h: Tensor, saved: Tensor) -> tuple[Tensor, Tensor]:
    """Turns the gradient by the new states into those by both products.

    Args:
        gradient: Shape (n, units).
        h: States before, shape (n, units).
        saved: Of `forward`.

    Returns:
        By x·W_ihᵀ and by h·W_hhᵀ, shape (n, 3·units) each.
    """
    n, units = h.shape
    by_x, by_h = h.new_empty(2, n, 3 * units)
    _backward[triton.cdiv(n * units, 256),](
        gradient, h, saved, by_x, by_h, n, units, BLOCK=256, num_warps=4
    )
    return by_x, by_h


def update(
    by_x: Tensor,
    by_h: Tensor,
    x: Tensor,
    h: Tensor,
    weights: dict[str, Updated],
    rates: Rates,
    precision: str,
) -> None:
    """Makes the gradients of the weights, and updates these.

    Args:
        by_x: Of `backward`.
        by_h: Of `backward`.
        x: Inputs of the layer, shape (n, width).
        h: States before, shape (n, units).
        weights: `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`.
        rates: Of Adagrad.
        precision: Of products: `ieee` or `tf32`.
    """
    (n, width), units = x.shape, h.shape[1]
    tile = 32 if units < _MANY else 64
    grid = triton.cdiv(3 * units, tile), triton.cdiv(max(width, units), tile), 2
    names = "weight_ih", "weight_hh", "bias_ih", "bias_hh"
    _update[grid](
        by_x,
        by_h,
        x,
        h,
        *(pointer for name in names for pointer in weights[name].pointers),
        *rates,
        n,
        width,
        units,
        MOVES=weights["bias_ih"].velocities is not None,
        GATES=tile,
        COLUMNS=tile,
        DEPTH=32,
        PRECISION=precision,
        num_warps=4,
    )
