"""Scores against the whole catalogue, a block of rows at a time: ranks and top-k.

The memory of a block is bounded, however large the catalogue or the number of rows.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.network import Network

_BLOCK_BYTES = 1 << 27  # of scores; comparisons and products need about as much again
_MAX_ROWS = 1024  # more rows do not make a matrix product faster

Best = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]  # item indices and their scores


def rows_at_a_time(n_items: int) -> int:
    """How many rows of states are scored at once."""
    return max(1, min(_MAX_ROWS, _BLOCK_BYTES // (4 * n_items)))


def score(network: Network, states: Tensor) -> Tensor:
    """Scores of all items: ⟨state, output embedding⟩ + bias.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).

    Returns:
        Shape (n, n_items).
    """
    return torch.addmm(network.tables["bias"], states, network.tables["output"].T)


def rank(network: Network, states: Tensor, targets: Tensor, mode: str) -> npt.NDArray[np.float64]:
    """Ranks of targets among all items, counted from 1.

    The target's score is read from the same product as the others': computed apart it would round
    differently, and ties would be lost.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).
        targets: Item indices, shape (n,).
        mode: `standard` counts 1 + items with a higher score, `conservative` items with a score
            at least the target's (itself included), `median` lies halfway between.

    Returns:
        Shape (n,).
    """
    size = rows_at_a_time(network.n_items)
    ranks = []
    for first in range(0, len(states), size):
        scores = score(network, states[first : first + size])
        own = scores.gather(1, targets[first : first + size, None])
        if mode == "conservative":
            ranks.append((scores >= own).sum(dim=1))
            continue
        ranks.append((scores > own).sum(dim=1) + 1)
        if mode == "median":
            ranks[-1] += (scores >= own).sum(dim=1)
    if not ranks:
        return np.empty(0)
    # not every device has 64-bit floats
    return torch.cat(ranks).cpu().numpy() / (2.0 if mode == "median" else 1.0)


def top_k(
    network: Network, states: Tensor, k: int, seen: list[list[int]] | None = None
) -> Iterator[Best]:
    """The k items with the highest scores, best first, equal scores by index.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).
        k: How many; fewer where the catalogue, less the seen items, has fewer.
        seen: Item indices to leave out, one list a row.

    Yields:
        Item indices and their scores for each row, both of shape (≤ k,).
    """
    size = rows_at_a_time(network.n_items)
    k = min(k, network.n_items)
    for first in range(0, len(states), size):
        scores = score(network, states[first : first + size])
        for row, left_out in enumerate(seen[first : first + size] if seen else []):
            scores[row, left_out] = -torch.inf
        values, items = scores.topk(k, dim=1)
        # topk takes any of the items that tie for the last place
        tied = ((scores >= values[:, -1:]).sum(dim=1) > k).tolist()
        best = list(zip(items.cpu().numpy(), values.cpu().numpy(), strict=True))
        for row, is_tied in enumerate(tied):
            candidates: Best = _all_from(scores[row], values[row, -1]) if is_tied else best[row]
            yield _first_k(*candidates, k)


def _all_from(scores: Tensor, least: Tensor) -> Best:
    """All items with a score ≥ `least`; scores of shape (n_items,)."""
    items = (scores >= least).nonzero()[:, 0]
    return items.cpu().numpy(), scores[items].cpu().numpy()


def _first_k(items: npt.NDArray[np.int64], scores: npt.NDArray[np.float32], k: int) -> Best:
    order = np.lexsort((items, -scores))[:k]
    order = order[np.isfinite(scores[order])]
    return items[order], scores[order]
