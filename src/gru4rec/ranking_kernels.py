"""The compiled loops of ranking on a CPU: they read a tile of scores once, on all threads.

A unit of work is a row of the tile, so the number of threads changes nothing. Importing this module
takes half a second, so it is imported where it is used.
"""

from typing import Any

import numba
import numpy as np

from gru4rec import parallel
from gru4rec.kernels import Floats, Ints
from gru4rec.parallel import ADDRESS, INT, arguments_at, floats, ints, take

_ONE, _ZERO = np.float32(1), np.float32(0)
_CHUNK = 256  # scores looked at together for one that is good enough

# sums of ones may be taken in parts
_compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath={"reassoc"})


@_compiled
def count(scores: Floats, biases: Floats, own: Any) -> Any:
    """Counts items whose score is not below a target's, and those whose score is the target's.

    Counted in 32-bit floats, which hold whole numbers to 2^24 and add up eight at a time.

    Args:
        scores: Products of a state and the output embeddings, shape (n,), n ≤ 2^24.
        biases: Of the items, shape (n,).
        own: Score of the target; of one that is no number, no item is below it.

    Returns:
        Both counts.
    """
    below, equal = _ZERO, _ZERO
    for j in range(len(scores)):
        score = scores[j] + biases[j]
        below += _ONE if score < own else _ZERO
        equal += _ONE if score == own else _ZERO
    return len(scores) - int(below), int(equal)


@_compiled
def any_above(scores: Floats, biases: Floats, least: Any) -> Any:
    """Says whether any of the scores, biases added, exceeds `least`; both of shape (n,)."""
    above = _ZERO
    for j in range(len(scores)):
        above += _ONE if scores[j] + biases[j] > least else _ZERO
    return above > _ZERO


@_compiled
def sift_down(values: Floats, items: Ints, size: int) -> None:
    """Moves the first of a heap to its place: the worst is first, of equal ones the last item."""
    value, item, at = values[0], items[0], 0
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _is_worse(
            values[child + 1], items[child + 1], values[child], items[child]
        ):
            child += 1
        if not _is_worse(values[child], items[child], value, item):
            break
        values[at], items[at] = values[child], items[child]
        at = child
    values[at], items[at] = value, item


@_compiled
def sift_up(values: Floats, items: Ints, size: int) -> None:
    """Moves the last of a heap of that size to its place; see `sift_down`."""
    at = size - 1
    value, item = values[at], items[at]
    while at > 0:
        parent = (at - 1) // 2
        if not _is_worse(value, item, values[parent], items[parent]):
            break
        values[at], items[at] = values[parent], items[parent]
        at = parent
    values[at], items[at] = value, item


@_compiled
def _is_worse(value: Any, item: int, than: Any, than_item: int) -> bool:
    return value < than or (value == than and item > than_item)


@_compiled
def keep_best(
    scores: Floats, biases: Floats, first: int, seen: Ints, values: Floats, items: Ints, size: int
) -> int:
    """Adds the items of a tile to the heap of the best, which keeps as many as it has room for.

    Args:
        scores: Products of a state and the output embeddings, shape (n,).
        biases: Of the items, shape (n,).
        first: Index of the tile's first item.
        seen: Items to leave out, ascending, shape (n_seen,).
        values: Scores of the heap, see `sift_down`, shape (k,).
        items: Items of the heap, shape (k,).
        size: How many the heap has so far.

    Returns:
        How many it has now.
    """
    k = len(values)
    least = values[0] if size == k else np.float32(-np.inf)
    for begin in range(0, len(scores), _CHUNK):
        end = min(begin + _CHUNK, len(scores))
        if not any_above(scores[begin:end], biases[begin:end], least):
            continue
        for j in range(begin, end):
            score = scores[j] + biases[j]
            # items come in ascending order: of equal ones the earlier stays
            if not score > least:
                continue
            place = np.searchsorted(seen, first + j)
            if place < len(seen) and seen[place] == first + j:
                continue
            if size < k:
                values[size], items[size] = score, first + j
                size += 1
                sift_up(values, items, size)
            else:
                values[0], items[0] = score, first + j
                sift_down(values, items, k)
            if size == k:
                least = values[0]
    return size


@_compiled
def sort_heap(values: Floats, items: Ints, size: int) -> None:
    """Puts the best of a heap first, of equal ones the first item."""
    for last in range(size - 1, 0, -1):
        values[0], values[last] = values[last], values[0]
        items[0], items[last] = items[last], items[0]
        sift_down(values, items, last)


COUNT = parallel.arguments(
    scores=ADDRESS,
    biases=ADDRESS,
    targets=ADDRESS,
    own=ADDRESS,
    found=ADDRESS,
    at_least=ADDRESS,
    equal=ADDRESS,
    first=INT,
    width=INT,
)


@parallel.loop(COUNT)
def count_tile(pointer: Any) -> None:
    """Adds `count` of each row of a tile to `at_least` and `equal`.

    `found` receives the scores of the targets that are among the tile's items, from `first` on.
    """
    given = arguments_at(pointer)
    scores = floats(given.scores, (given.n, given.width))
    biases, own, found = (
        floats(given.biases, given.width),
        floats(given.own, given.n),
        floats(given.found, given.n),
    )
    targets = ints(given.targets, given.n)
    at_least, equal = ints(given.at_least, given.n), ints(given.equal, given.n)
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin, end):
            place = targets[i] - given.first
            if 0 <= place < given.width:
                found[i] = scores[i, place] + biases[place]
            not_below, same = count(scores[i], biases, own[i])
            at_least[i] += not_below
            equal[i] += same
        begin, end = take(pointer)


BEST = parallel.arguments(
    scores=ADDRESS,
    biases=ADDRESS,
    seen=ADDRESS,
    seen_ends=ADDRESS,
    values=ADDRESS,
    items=ADDRESS,
    sizes=ADDRESS,
    n_seen=INT,
    first=INT,
    width=INT,
    k=INT,
    is_last=INT,
)


@parallel.loop(BEST)
def best_of_tile(pointer: Any) -> None:
    """Runs `keep_best` for each row of a tile; after the last tile the best are put in order."""
    given = arguments_at(pointer)
    n, k = given.n, given.k
    scores, biases = floats(given.scores, (n, given.width)), floats(given.biases, given.width)
    seen, seen_ends = ints(given.seen, given.n_seen), ints(given.seen_ends, n)
    values, items, sizes = (
        floats(given.values, (n, k)),
        ints(given.items, (n, k)),
        ints(given.sizes, n),
    )
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin, end):
            left_out = seen[seen_ends[i - 1] if i > 0 else 0 : seen_ends[i]]
            sizes[i] = keep_best(
                scores[i], biases, given.first, left_out, values[i], items[i], sizes[i]
            )
            if given.is_last:
                sort_heap(values[i], items[i], sizes[i])
        begin, end = take(pointer)
