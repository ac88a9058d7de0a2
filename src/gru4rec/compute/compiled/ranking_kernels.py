"""The compiled loops of ranking, on all threads, whose number changes nothing.

Those that read a tile of scores have a row of it as their unit of work. For a few states there is
one loop that makes the scores, too; its unit of work is a part of the table of items.
"""

from typing import Annotated, Any

import numpy as np

from gru4rec.compute.compiled.addresses import prefetch
from gru4rec.compute.compiled.arithmetic import dot
from gru4rec.compute.compiled.arrays import Floats, Ints
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.lanes import (
    AHEAD,
    LANES,
    ROWS,
    multiply_pairs,
    multiply_pairs_twice,
    multiply_rows,
    multiply_rows_twice,
)
from gru4rec.compute.compiled.loops import loop

_ONE, _ZERO = np.float32(1), np.float32(0)
BLOCK = 512  # rows whose scores are compared at a time
_CHUNK = 32  # scores looked at together for one that is good enough

# sums of ones may be taken in parts
_compiled = compiled(forceinline=True, fastmath={"reassoc"})


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
def insert(values: Floats, items: Ints, size: int, value: Any, item: int) -> None:
    """Inserts an item into the best so far, after those with an equal score.

    Moving a few numbers costs less than the jumps of a heap, which cannot be foreseen.

    Args:
        values: Scores, the highest first, shape (k,).
        items: Their items, shape (k,).
        size: How many there are; if there is no room, the last one goes.
        value: Score of the item; higher than the last one if there is no room.
        item: Its index.
    """
    at = min(size, len(values) - 1)
    while at > 0 and values[at - 1] < value:
        values[at], items[at] = values[at - 1], items[at - 1]
        at -= 1
    values[at], items[at] = value, item


@_compiled
def keep_best(
    scores: Floats, biases: Floats, first: int, seen: Ints, values: Floats, items: Ints, size: int
) -> int:
    """Inserts the best items of a tile into the best so far.

    Args:
        scores: Products of a state and the output embeddings, shape (n,).
        biases: Of the items, shape (n,).
        first: Index of the tile's first item.
        seen: Items to leave out, ascending, shape (n_seen,).
        values: Scores of the best so far, see `insert`, shape (k,).
        items: Their items, shape (k,).
        size: How many there are so far.

    Returns:
        How many there are now.
    """
    k = len(values)
    least = values[k - 1] if size == k else np.float32(-np.inf)
    for begin in range(0, len(scores), _CHUNK):
        some, its_biases = scores[begin : begin + _CHUNK], biases[begin : begin + _CHUNK]
        if not any_above(some, its_biases, least):
            continue
        for j in range(len(some)):
            score, item = some[j] + its_biases[j], first + begin + j
            # items come in ascending order: of equal ones the earlier stays
            if score > least and not (len(seen) > 0 and _is_among(seen, item)):
                insert(values, items, size, score, item)
                size = min(size + 1, k)
                if size == k:
                    least = values[k - 1]
    return size


@_compiled
def _first_from(ascending: Ints, item: int) -> int:
    """Where the first number is that is not below `item`: `np.searchsorted`, compiled sooner."""
    begin, end = 0, len(ascending)
    while begin < end:
        middle = (begin + end) // 2
        if ascending[middle] < item:
            begin = middle + 1
        else:
            end = middle
    return begin


@_compiled
def _is_among(ascending: Ints, item: int) -> Any:
    place = _first_from(ascending, item)
    return place < len(ascending) and ascending[place] == item


@loop
def count_tile(
    begin: int,
    end: int,
    scores: Annotated[Floats, "n", "width"],
    biases: Annotated[Floats, "width"],
    targets: Annotated[Ints, "n"],
    own: Annotated[Floats, "n"],
    found: Annotated[Floats, "n"],
    seen: Annotated[Ints, "n_seen"],
    seen_ends: Annotated[Ints, "n"],
    at_least: Annotated[Ints, "n"],
    equal: Annotated[Ints, "n"],
    n_seen: int,
    first: int,
    width: int,
) -> None:
    """Adds `count` of each row of a tile to `at_least` and `equal`, less the seen items.

    `found` receives the scores of the targets that are among the tile's items, from `first` on.
    """
    for i in range(begin, end):
        place = targets[i] - first
        if 0 <= place < width:
            found[i] = scores[i, place] + biases[place]
        not_below, same = count(scores[i], biases, own[i])
        at_least[i] += not_below
        equal[i] += same
        if n_seen > 0:
            left_out = seen[seen_ends[i - 1] if i > 0 else 0 : seen_ends[i]]
            for j in range(_first_from(left_out, first), len(left_out)):
                place = left_out[j] - first
                if place >= width:
                    break
                score = scores[i, place] + biases[place]
                at_least[i] -= 0 if score < own[i] else 1
                equal[i] -= 1 if score == own[i] else 0


@loop
def best_of_tile(
    begin: int,
    end: int,
    scores: Annotated[Floats, "n", "width"],
    biases: Annotated[Floats, "width"],
    seen: Annotated[Ints, "n_seen"],
    seen_ends: Annotated[Ints, "n"],
    values: Annotated[Floats, "n", "k"],
    items: Annotated[Ints, "n", "k"],
    sizes: Annotated[Ints, "n"],
    n_seen: int,  # noqa: ARG001
    first: int,
    width: int,  # noqa: ARG001
    k: int,  # noqa: ARG001
) -> None:
    """Runs `keep_best` for each row of a tile."""
    for i in range(begin, end):
        left_out = seen[seen_ends[i - 1] if i > 0 else 0 : seen_ends[i]]
        sizes[i] = keep_best(scores[i], biases, first, left_out, values[i], items[i], sizes[i])


@_compiled
def arrange(states: Floats, groups: Floats) -> None:
    """Arranges states as `lanes` takes them.

    Args:
        states: Shape (n_states, width).
        groups: Receives them by groups of eight with as many steps as units, or of four with half
            as many, shape (n_groups, steps, LANES); of the last one the rest stays as it is.
    """
    n_states, width = states.shape
    _, steps, _ = groups.shape
    units = width // steps
    size = LANES // units
    for i in range(n_states):
        group, lane = groups[i // size], i % size * units
        for step in range(steps):
            for unit in range(units):
                group[step, lane + unit] = states[i, step * units + unit]


@_compiled
def multiply(rows: Floats, first: int, groups: Floats, out: Floats) -> None:
    """Multiplies eight rows with all groups that `arrange` made, two at a time; see `lanes`."""
    n_groups, steps, _ = groups.shape
    for group in range(0, n_groups - 1, 2):
        if steps == rows.shape[1]:
            multiply_rows_twice(rows, first, groups, group, out)
        else:
            multiply_pairs_twice(rows, first, groups, group, out)
    if n_groups % 2 == 1:
        if steps == rows.shape[1]:
            multiply_rows(rows, first, groups, n_groups - 1, out)
        else:
            multiply_pairs(rows, first, groups, n_groups - 1, out)


@loop
def search_part(
    begin: int,
    end: int,
    rows: Annotated[Floats, "n_items", "width"],
    biases: Annotated[Floats, "n_items"],
    states: Annotated[Floats, "n_states", "width"],
    groups: Annotated[Floats, "n", "n_groups", "steps", LANES],
    seen: Annotated[Ints, "n_seen"],
    seen_ends: Annotated[Ints, "n_states"],
    scores: Annotated[Floats, "n", "n_states", BLOCK],
    values: Annotated[Floats, "n", "n_states", "k"],
    items: Annotated[Ints, "n", "n_states", "k"],
    sizes: Annotated[Ints, "n", "n_states"],
    n: int,
    n_items: int,
    n_groups: int,  # noqa: ARG001
    n_states: int,
    n_seen: int,  # noqa: ARG001
    steps: int,  # noqa: ARG001
    width: int,
    k: int,  # noqa: ARG001
) -> None:
    """Multiplies a part of the rows with a few states, and runs `keep_best`, block by block.

    The scores of a block stay in the first cache. `groups` is room for the states as `arrange`
    leaves them, of finite numbers; a single state needs none. There are at least eight rows to a
    part.
    """
    ahead = max(1, AHEAD // width)
    for part in range(begin, end):
        if n_states > 1:
            arrange(states, groups[part])
        start, stop = n_items * part // n, n_items * (part + 1) // n
        n_blocks = (stop - start + BLOCK - 1) // BLOCK
        for block in range(n_blocks):
            first = start + (stop - start) * block // n_blocks
            last = start + (stop - start) * (block + 1) // n_blocks
            some, size = rows[first:last], last - first
            out = scores[part].reshape(n_states * BLOCK)[: n_states * size].reshape(n_states, size)
            if n_states == 1:
                for i in range(size):
                    prefetch(some, i + ahead)
                    out[0, i] = dot(some[i], states[0])
            else:
                for i in range(0, size, ROWS):
                    # the last eight are taken together, whoever took some of them before
                    multiply(some, min(i, size - ROWS), groups[part], out)
            for i in range(n_states):
                left_out = seen[seen_ends[i - 1] if i > 0 else 0 : seen_ends[i]]
                sizes[part, i] = keep_best(
                    out[i],
                    biases[first:last],
                    first,
                    left_out,
                    values[part, i],
                    items[part, i],
                    sizes[part, i],
                )
