"""Scores against the whole catalogue, a tile at a time: ranks and top-k.

The memory of a tile is bounded, however large the catalogue or the number of rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.model.network import Network

BLOCK_ROWS = 1024  # more rows do not make a matrix product faster
_TILE = 1 << 20  # scores of a tile on a CPU: 4 MB stay in its cache
_BLOCK = 1 << 25  # scores of a block on other devices
_LARGEST_K = 1024  # from which on sorting all scores costs less than keeping the best
_FEWEST = 256  # columns from which on a matrix product rounds as with any number of them

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]


class Best(NamedTuple):
    """The best items of some rows, row after row, best first.

    Attributes:
        items: Item indices, shape (n_best,).
        scores: Their scores, shape (n_best,).
        lengths: How many of these are of each row, shape (n_rows,).
    """

    items: Ints
    scores: Floats
    lengths: Ints


def score(network: Network, states: Tensor) -> Tensor:
    """Scores of all items: ⟨state, output embedding⟩ + bias.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).

    Returns:
        Shape (n, n_items).
    """
    return torch.addmm(network.tables["bias"], states, network.tables["output"].T)


def rank(
    network: Network, states: Tensor, targets: Tensor, mode: str
) -> tuple[npt.NDArray[np.float64], Ints]:
    """Ranks of targets among all items, counted from 1.

    Args:
        network: The weights.
        states: Hidden states of the last layer, shape (n, units).
        targets: Item indices, shape (n,).
        mode: `standard` counts 1 + items with a higher score, `conservative` items with a score
            at least the target's (itself included), `median` lies halfway between.

    Returns:
        The ranks, and how many other items have exactly the target's score, both of shape (n,).
        A target whose score is not a number is behind all.
    """
    counted = _count_tiles if states.device.type == "cpu" else _count_block
    at_least, ties = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for rows in _blocks(len(states)):
        counts = counted(network, states[rows], targets[rows])
        at_least.append(counts[0])
        ties.append(counts[1] - 1)
    n_ties = np.concatenate(ties).clip(min=0)
    share = {"standard": 1.0, "median": 0.5, "conservative": 0.0}[mode]
    return np.concatenate(at_least) - share * n_ties, n_ties


def _blocks(n: int) -> Iterator[slice]:
    """Cuts n rows into blocks of nearly the same size, from `BLOCK_ROWS` on if there are enough."""
    n_blocks = max(1, n // BLOCK_ROWS)
    for block in range(n_blocks if n else 0):
        yield slice(n * block // n_blocks, n * (block + 1) // n_blocks)


def _count_block(network: Network, states: Tensor, targets: Tensor) -> tuple[Ints, Ints]:
    """Counts items with at least, and with exactly, the score of each target: both (n,)."""
    parts = []
    size = max(1, _BLOCK // network.n_items)
    for first in range(0, len(states), size):
        scores = score(network, states[first : first + size])
        # from the same product as the others: computed apart it could round differently
        own = scores.gather(1, targets[first : first + size, None])
        parts.append(torch.stack([(~(scores < own)).sum(dim=1), (scores == own).sum(dim=1)]))
    at_least, equal = torch.cat(parts, dim=1).cpu().numpy()
    return at_least, equal


def _count_tiles(network: Network, states: Tensor, targets: Tensor) -> tuple[Ints, Ints]:
    """Does the same in compiled loops."""
    from gru4rec.compute.compiled import ranking_kernels as kernels  # noqa: PLC0415  (half a second)
    from gru4rec.compute.compiled.openmp import Loop  # noqa: PLC0415

    n = len(states)
    found = torch.full((n,), torch.nan)
    at_least, equal = torch.zeros(2, n, dtype=torch.int64)
    loop = Loop(
        kernels.count_tile,
        kernels.COUNT,
        grain=16,
        targets=targets.contiguous(),
        found=found,
        at_least=at_least,
        equal=equal,
    )
    own = _own_scores(network, states, targets)
    for _ in range(2):
        at_least.zero_()
        equal.zero_()
        for first, scores, biases in _tiles(network, states):
            loop(n, scores=scores, biases=biases, own=own, first=first, width=len(biases))
        # should the products have rounded differently, the second time they are the same
        if torch.equal(found, own):
            break
        own = found.clone()
    return at_least.numpy(), equal.numpy()


def _own_scores(network: Network, states: Tensor, targets: Tensor) -> Tensor:
    """Scores of the targets, shape (n,), as a product with all items rounds them."""
    multiply, own = _product_of(len(states)), []
    for rows, wanted in zip(
        torch.split(states, _FEWEST), torch.split(targets, _FEWEST), strict=True
    ):
        repeated = wanted.repeat(-(-_FEWEST // len(wanted)))
        products = torch.empty(len(rows), len(repeated))
        multiply(rows, network.tables["output"][repeated], products)
        own.append(products.diagonal())
    return torch.cat(own) + network.tables["bias"][targets]


def _tiles(network: Network, states: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yields the products of states (n, units) with the output embeddings, a tile at a time.

    Yields:
        Index of the first item, products of shape (n, items of the tile), which the next tile
        overwrites, and biases of the items.
    """
    n, output, bias = len(states), network.tables["output"], network.tables["bias"]
    width = min(len(output), max(512, _TILE // n))
    room = torch.empty(n * width)
    multiply = _product_of(n)
    for first in range(0, len(output), width):
        part = output[first : first + width]
        scores = room[: n * len(part)].view(n, len(part))
        multiply(states, part, scores)
        yield first, scores, bias[first : first + width]


def _product_of(n: int) -> Callable[[Tensor, Tensor, Tensor], None]:
    """What multiplies n states with rows of a table, shape (n, rows) each time."""
    return _multiply_one if n == 1 else _multiply


def _multiply(states: Tensor, rows: Tensor, out: Tensor) -> None:
    torch.mm(states, rows.T, out=out)


def _multiply_one(state: Tensor, rows: Tensor, out: Tensor) -> None:
    """Does the same with a single state, at the speed of reading memory: torch takes twice that."""
    from gru4rec.compute.compiled import ranking_kernels as kernels  # noqa: PLC0415  (half a second)
    from gru4rec.compute.compiled.openmp import Loop  # noqa: PLC0415

    loop = Loop(kernels.multiply, kernels.MULTIPLY, grain=16_384, width=rows.shape[1])
    loop(len(rows), state=state.contiguous(), rows=rows.contiguous(), out=out)


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
    k = min(k, network.n_items)
    tiled = states.device.type == "cpu" and k <= _LARGEST_K
    best_of = _best_of_tiles if tiled else _best_of_block
    return join(
        best_of(network, states[rows], k, seen[rows] if seen else None)
        for rows in _blocks(len(states))
    )


def join(parts: Iterable[Best]) -> Best:
    """Puts the best items of some rows behind those of others."""
    nothing = Best(np.empty(0, np.int64), np.empty(0, np.float32), np.empty(0, np.int64))
    return Best(*(np.concatenate(arrays) for arrays in zip(nothing, *parts, strict=True)))


def _best_of_tiles(
    network: Network, states: Tensor, k: int, seen: Sequence[Sequence[int]] | None
) -> Best:
    from gru4rec.compute.compiled import ranking_kernels as kernels  # noqa: PLC0415  (half a second)
    from gru4rec.compute.compiled.openmp import Loop  # noqa: PLC0415

    n = len(states)
    left_out = [sorted(row) for row in seen] if seen else [[]] * n
    flat = torch.tensor([item for row in left_out for item in row], dtype=torch.int64)
    ends = torch.tensor([len(row) for row in left_out]).cumsum(0)
    values, items = torch.empty(n, k), torch.empty(n, k, dtype=torch.int64)
    sizes = torch.zeros(n, dtype=torch.int64)
    loop = Loop(
        kernels.best_of_tile,
        kernels.BEST,
        grain=16,
        seen=flat,
        seen_ends=ends,
        n_seen=len(flat),
        values=values,
        items=items,
        sizes=sizes,
        k=k,
    )
    for first, scores, biases in _tiles(network, states):
        loop(n, scores=scores, biases=biases, first=first, width=len(biases))
    lengths = sizes.numpy()
    is_filled = np.arange(k) < lengths[:, None]
    return Best(items.numpy()[is_filled], values.numpy()[is_filled], lengths)


def _best_of_block(
    network: Network, states: Tensor, k: int, seen: Sequence[Sequence[int]] | None
) -> Best:
    best = []
    size = max(1, _BLOCK // network.n_items)
    for first in range(0, len(states), size):
        scores = score(network, states[first : first + size])
        for row, left_out in enumerate(seen[first : first + size] if seen else []):
            scores[row, left_out] = -torch.inf
        values, items = scores.topk(k, dim=1)
        # topk takes any of the items that tie for the last place
        tied = ((scores >= values[:, -1:]).sum(dim=1) > k).tolist()
        found = list(zip(items.cpu().numpy(), values.cpu().numpy(), strict=True))
        for row, is_tied in enumerate(tied):
            some = _all_from(scores[row], values[row, -1]) if is_tied else found[row]
            best.append(_first_k(some[0], some[1], k))
    items_of, scores_of = zip(*best, strict=True)
    lengths = np.array([len(items) for items in items_of])
    return Best(np.concatenate(items_of), np.concatenate(scores_of), lengths)


def _all_from(scores: Tensor, least: Tensor) -> tuple[Ints, Floats]:
    """All items with a score ≥ `least`; scores of shape (n_items,)."""
    items = (scores >= least).nonzero()[:, 0]
    return items.cpu().numpy(), scores[items].cpu().numpy()


def _first_k(items: Ints, scores: Floats, k: int) -> tuple[Ints, Floats]:
    order = np.lexsort((items, -scores))[:k]
    order = order[np.isfinite(scores[order])]
    return items[order], scores[order]
