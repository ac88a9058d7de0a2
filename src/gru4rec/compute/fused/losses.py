"""Kernels of the losses: a row of products becomes the gradient by its scores, in one pass.

What `model.loss_gradients` does; a program is a row of the batch.
"""

import triton
import triton.language as tl
from torch import Tensor

from gru4rec.compute.constants import EPSILON

_EPSILON = tl.constexpr(EPSILON)
# candidates that fit into the registers of a program
MOST = 1 << 14


@triton.jit(
    do_not_specialize=["n_rows", "n_candidates"], do_not_specialize_on_alignment=["candidates"]
)
def _cross_entropy(
    scores,
    losses,
    candidates,
    bias,
    log_counts,
    n_rows,
    n_candidates,
    scale,
    alpha,
    logq,
    CORRECTED: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    places = tl.arange(0, BLOCK)
    is_there = places < n_candidates
    items = tl.load(candidates + places, mask=is_there, other=0)
    offsets = tl.load(bias + items, mask=is_there, other=0.0)
    if CORRECTED:
        drawn = tl.load(log_counts + items, mask=is_there, other=0.0)
        offsets -= logq * tl.where(places < n_rows, drawn, alpha * drawn)
    scores += row.to(tl.int64) * n_candidates
    given = tl.load(scores + places, mask=is_there, other=float("-inf")) + offsets
    weights = tl.exp(given - tl.max(given, axis=0))
    shares = weights / tl.sum(weights, axis=0)
    own = tl.sum(tl.where(places == row, shares, 0.0), axis=0)
    factor = own / (own + _EPSILON) * scale
    gradient = shares * factor - tl.where(places == row, factor, 0.0)
    tl.store(scores + places, gradient, mask=is_there)
    tl.store(losses + row, -tl.log(own + _EPSILON))


@triton.jit(do_not_specialize=["n_candidates"], do_not_specialize_on_alignment=["candidates"])
def _bpr_max(
    scores,
    losses,
    candidates,
    bias,
    n_candidates,
    scale,
    bpreg,
    elu_param,
    BENT: tl.constexpr,
    BLOCK: tl.constexpr,
):
    row = tl.program_id(0)
    places = tl.arange(0, BLOCK)
    is_there = places < n_candidates
    items = tl.load(candidates + places, mask=is_there, other=0)
    scores += row.to(tl.int64) * n_candidates
    given = tl.load(scores + places, mask=is_there, other=0.0)
    given += tl.load(bias + items, mask=is_there, other=0.0)
    slopes = tl.full([BLOCK], 1.0, given.dtype)
    if BENT:
        power = tl.exp(tl.minimum(given, 0.0))
        slopes = tl.where(given > 0, 1.0, elu_param * power)
        given = tl.where(given > 0, given, elu_param * (power - 1))
    own = tl.sum(tl.where(places == row, given, 0.0), axis=0)
    is_negative = is_there & (places != row)
    negatives = tl.where(is_negative, given, float("-inf"))
    weights = tl.exp(negatives - tl.max(negatives, axis=0))
    weights = weights / tl.sum(weights, axis=0)
    wins = tl.sigmoid(own - given)
    won = tl.sum(weights * wins, axis=0)
    won_twice = tl.sum(weights * wins * wins, axis=0)
    squares = given * given
    regularised = tl.sum(weights * squares, axis=0)
    pull = (won - wins * wins) / (won + _EPSILON)
    pull += bpreg * (squares + 2 * given - regularised)
    gradient = weights * pull
    gradient -= tl.where(places == row, (won - won_twice) / (won + _EPSILON), 0.0)
    tl.store(scores + places, gradient * slopes * scale, mask=is_there)
    tl.store(losses + row, bpreg * regularised - tl.log(won + _EPSILON))


def _warps(block: int) -> int:
    return max(1, min(16, block // 256))


def cross_entropy(
    scores: Tensor,
    candidates: Tensor,
    bias: Tensor,
    scale: float,
    log_counts: Tensor,
    alpha: float,
    logq: float,
) -> Tensor:
    """Turns products into the gradient by the scores, in place.

    Args:
        scores: States by embeddings of the candidates, shape (n_rows, n_candidates); at most
            `MOST` candidates.
        candidates: Item indices, those of the rows first, shape (n_candidates,).
        bias: Of all items, shape (n_items,).
        scale: What the gradient is multiplied by.
        log_counts: Logarithm of the popularity counts, shape (n_items,).
        alpha: Exponent of the popularity by which the others were drawn.
        logq: Strength of the log-Q correction.

    Returns:
        The losses, shape (n_rows,).
    """
    n_rows, n_candidates = scores.shape
    losses, block = scores.new_empty(n_rows), triton.next_power_of_2(n_candidates)
    numbers = n_rows, n_candidates, scale, alpha, logq
    _cross_entropy[n_rows,](
        scores,
        losses,
        candidates,
        bias,
        log_counts,
        *numbers,
        CORRECTED=logq != 0,
        BLOCK=block,
        num_warps=_warps(block),
    )
    return losses


def bpr_max(
    scores: Tensor, candidates: Tensor, bias: Tensor, scale: float, bpreg: float, elu_param: float
) -> Tensor:
    """Turns products into the gradient by the scores, in place.

    Args:
        scores: See `cross_entropy`.
        candidates: See `cross_entropy`.
        bias: See `cross_entropy`.
        scale: See `cross_entropy`.
        bpreg: See `model.losses.bpr_max`.
        elu_param: See `model.losses.bpr_max`.

    Returns:
        The losses, shape (n_rows,).
    """
    n_rows, n_candidates = scores.shape
    losses, block = scores.new_empty(n_rows), triton.next_power_of_2(n_candidates)
    _bpr_max[n_rows,](
        scores,
        losses,
        candidates,
        bias,
        n_candidates,
        scale,
        bpreg,
        elu_param,
        BENT=elu_param != 0,
        BLOCK=block,
        num_warps=_warps(block),
    )
    return losses
