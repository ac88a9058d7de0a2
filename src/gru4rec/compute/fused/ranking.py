"""Kernels of ranks and of the best items, which read all scores once after their product."""

import torch
import triton
import triton.language as tl
from torch import Tensor

_PART = 1 << 15  # scores of a row that a program counts
# parts of a row, and candidates, that fit into the registers of a program
MOST_PARTS, MOST_CANDIDATES = 1 << 12, 1 << 13


@triton.jit
def _count(scores, own, counts, n_items, n_parts, PART: tl.constexpr, BLOCK: tl.constexpr):
    row, part = tl.program_id(0).to(tl.int64), tl.program_id(1)
    mine = tl.load(own + row)
    lower, equal = tl.zeros([BLOCK], tl.int32), tl.zeros([BLOCK], tl.int32)
    for first in range(part * PART, min(part * PART + PART, n_items), BLOCK):
        items = first + tl.arange(0, BLOCK)
        given = tl.load(scores + row * n_items + items, mask=items < n_items, other=float("nan"))
        lower += (given < mine).to(tl.int32)
        equal += (given == mine).to(tl.int32)
    at = counts + (row * n_parts + part) * 2
    tl.store(at, tl.sum(lower, axis=0))
    tl.store(at + 1, tl.sum(equal, axis=0))


def count(scores: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Counts the scores of each row that are below a number of its own, and those that equal it.

    Args:
        scores: Shape (n, n_items).
        own: Shape (n,).

    Returns:
        Both counts, shape (n,) each.
    """
    n, n_items = scores.shape
    n_parts = triton.cdiv(n_items, _PART)
    counts = torch.empty(n, n_parts, 2, dtype=torch.int32, device=scores.device)
    _count[n, n_parts](scores, own, counts, n_items, n_parts, PART=_PART, BLOCK=2048, num_warps=8)
    lower, equal = counts.sum(dim=1).unbind(1)
    return lower, equal


@triton.jit
def _load_scores(scores, items, mask):
    given = tl.load(scores + items, mask=mask, other=float("-inf"))
    return tl.where(given == given, given, float("inf"))  # what is no number is above all


@triton.jit
def _find_maxima(scores, maxima, n_items, n_parts, PART: tl.constexpr, PARTS: tl.constexpr):
    row = tl.program_id(0).to(tl.int64)
    parts = tl.program_id(1) * PARTS + tl.arange(0, PARTS)
    items = parts[:, None] * PART + tl.arange(0, PART)[None, :]
    given = _load_scores(scores + row * n_items, items, items < n_items)
    tl.store(maxima + row * n_parts + parts, tl.max(given, axis=1), mask=parts < n_parts)


@triton.jit
def _select(
    scores,
    maxima,
    values,
    best,
    n_items,
    n_parts,
    k,
    PART: tl.constexpr,
    PARTS: tl.constexpr,
    K: tl.constexpr,
):
    row = tl.program_id(0).to(tl.int64)
    parts, places = tl.arange(0, PARTS), tl.arange(0, K)
    left = tl.load(maxima + row * n_parts + parts, mask=parts < n_parts, other=float("-inf"))
    chosen = tl.full([K], n_parts, tl.int32)
    for place in range(k):
        highest = tl.max(left, axis=0)
        part = tl.min(tl.where(left == highest, parts, n_parts), axis=0)
        part = tl.where(highest > float("-inf"), part, n_parts)
        chosen = tl.where(places == place, part, chosen)
        left = tl.where(parts == part, float("-inf"), left)
    items = chosen[:, None] * PART + tl.arange(0, PART)[None, :]
    given = _load_scores(scores + row * n_items, items, items < n_items)
    for place in range(k):
        highest = tl.max(tl.max(given, axis=1), axis=0)
        same = tl.where(given == highest, items, n_items)
        item = tl.min(tl.min(same, axis=1), axis=0)
        tl.store(values + row * k + place, highest)
        tl.store(best + row * k + place, item.to(tl.int64))
        given = tl.where(items == item, float("-inf"), given)


def size_of_parts(n_items: int, k: int) -> int | None:
    """Returns how many scores of a row make a part for `highest`; None: too many for it."""
    part = max(32, triton.next_power_of_2(triton.cdiv(n_items, MOST_PARTS)))
    fits = triton.next_power_of_2(k) * part <= MOST_CANDIDATES
    return part if fits else None


def highest(scores: Tensor, k: int, part: int) -> tuple[Tensor, Tensor]:
    """Finds the k highest scores of each row, best first, equal ones by index.

    A row is cut into parts. The k highest scores are in the k parts whose best are the highest,
    but for scores that equal the last one.

    Args:
        scores: Shape (n, n_items), n_items ≥ k.
        k: How many.
        part: Of `size_of_parts`.

    Returns:
        Scores, infinite for what is no number, and their items, shape (n, k) each. Of those that
        tie for the last place any is there, and the items of −inf say nothing.
    """
    n, n_items = scores.shape
    n_parts, n_together = triton.cdiv(n_items, part), max(1, 4096 // part)
    maxima, values = scores.new_empty(n, n_parts), scores.new_empty(n, k)
    items = torch.empty(n, k, dtype=torch.int64, device=scores.device)
    _find_maxima[n, triton.cdiv(n_parts, n_together)](
        scores, maxima, n_items, n_parts, PART=part, PARTS=n_together, num_warps=4
    )
    _select[n,](
        scores,
        maxima,
        values,
        items,
        n_items,
        n_parts,
        k,
        PART=part,
        PARTS=triton.next_power_of_2(n_parts),
        K=triton.next_power_of_2(k),
        num_warps=4,
    )
    return values, items
