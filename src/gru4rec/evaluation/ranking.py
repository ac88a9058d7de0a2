"""Ranks and the best items among the whole catalogue, a block of rows at a time.

Memory is bounded, however large the catalogue or the number of rows.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from torch import Tensor

from gru4rec.compute import Best
from gru4rec.model.network import Network

# ties that are counted for the target
TIE_MODES = {"standard": 1.0, "median": 0.5, "conservative": 0.0}

Counts = npt.NDArray[np.int64]


def rank(
    network: Network,
    states: Tensor,
    targets: Tensor,
    mode: str,
    seen: Sequence[Sequence[int]] | None = None,
) -> tuple[npt.NDArray[np.float64], Counts]:
    """Ranks of targets among all items, counted from 1.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).
        targets: Item indices, shape (n,).
        mode: See `ranks_of`.
        seen: Item indices to leave out, one list of different ones a row, without its target.

    Returns:
        The ranks, and how many other items have exactly the target's score, both of shape (n,).
        A target whose score is not a number is behind all.
    """
    output, bias = network.tables["output"], network.tables["bias"]
    at_least, equal = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rows in _blocks(len(states), network.engine.block_rows):
        left_out = seen[rows] if seen else None
        counts = network.engine.count_scores(output, bias, states[rows], targets[rows], left_out)
        at_least.append(counts[0])
        equal.append(counts[1])
    return ranks_of(np.concatenate(at_least), np.concatenate(equal), mode)


def ranks_of(at_least: Counts, equal: Counts, mode: str) -> tuple[npt.NDArray[np.float64], Counts]:
    """Turns counts into ranks.

    Args:
        at_least: Items whose score is not below the target's, itself included, shape (n,).
        equal: Items with exactly its score, itself included; 0 if that is no number, shape (n,).
        mode: `standard` counts 1 + items with a higher score, `conservative` items with a score
            at least the target's (itself included), `median` lies halfway between.

    Returns:
        The ranks, and how many other items have exactly the target's score, both of shape (n,).
    """
    ties = (equal - 1).clip(min=0)
    return at_least - TIE_MODES[mode] * ties, ties


def _blocks(n: int, at_least: int) -> Iterator[slice]:
    """Cuts n rows into blocks of nearly the same size, at least that if there are enough."""
    n_blocks = max(1, n // at_least)
    for block in range(n_blocks if n else 0):
        yield slice(n * block // n_blocks, n * (block + 1) // n_blocks)


def top_k(
    network: Network, states: Tensor, k: int, seen: Sequence[Sequence[int]] | None = None
) -> Best:
    """The k items with the highest scores, best first, equal scores by index.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).
        k: How many; fewer where the catalogue, less the seen items, has fewer.
        seen: Item indices to leave out, one list a row.
    """
    output, bias, k = network.tables["output"], network.tables["bias"], min(k, network.n_items)
    if network.compact is not None and len(states) == 1:
        n_best = min(k + len(set(seen[0])) if seen else k, network.n_items)
        some = network.compact.candidates(states, n_best)
        if some is not None:
            return best_among(network, some, states, k, seen)
    return join(
        network.engine.best_items(output, bias, states[rows], k, seen[rows] if seen else None)
        for rows in _blocks(len(states), network.engine.block_rows)
    )


def best_among(
    network: Network,
    items: Tensor,
    states: Tensor,
    k: int,
    seen: Sequence[Sequence[int]] | None = None,
) -> Best:
    """Does what `top_k` does among some items; no other item is scored.

    Args:
        network: See `top_k`.
        items: Their indices, ascending, shape (n,), n > 0.
        states: See `top_k`.
        k: See `top_k`.
        seen: See `top_k`; of all items.
    """
    tables = {name: network.tables[name][items] for name in ("output", "bias")}
    shortened = Network(network.architecture, tables, dense={})
    indices = items.cpu().numpy()
    left_out = [_places(row, indices) for row in seen] if seen is not None else None
    best = top_k(shortened, states, k, left_out)
    return best._replace(items=indices[best.items])


def _places(wanted: Sequence[int], ascending: Counts) -> list[int]:
    """Where numbers are among ascending ones; those that are not there have no place."""
    numbers = np.array(wanted, dtype=np.int64)
    places = np.searchsorted(ascending, numbers)
    is_there = ascending[np.minimum(places, len(ascending) - 1)] == numbers
    found: list[int] = places[is_there].tolist()
    return found


def join(parts: Iterable[Best]) -> Best:
    """Puts the best items of some rows behind those of others."""
    nothing = Best(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))
    return Best(*(np.concatenate(arrays) for arrays in zip(nothing, *parts, strict=True)))
