"""The compiled loop of sampling on a CPU.

Importing this module takes half a second, so it is imported where it is used.
"""

from typing import Any

from gru4rec.compute.compiled import openmp
from gru4rec.compute.compiled.arrays import Doubles, Ints
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.openmp import (
    ADDRESS,
    INT,
    arguments_at,
    doubles,
    ints,
    prefetch,
    take,
)

# the tables are asked for what so many draws need before it is used
_BLOCK = 256


@compiled(inline="always")
def part(number: float, n: int) -> Any:
    """Which of n equal parts of [0, 1) a number is in."""
    # the product may round up, to the next part or beyond the last
    return min(int(number * n), n - 1)


@compiled()
def invert(cumulative: Doubles, guide: Ints, number: float) -> Any:
    """Finds the first item whose cumulative probability exceeds a number, as binary search does.

    On average the search begins a step or two before its end, however many items there are.

    Args:
        cumulative: Ends with 1, shape (n_items,).
        guide: Where to begin for numbers from k / n_items on, shape (n_items,).
        number: In [0, 1).

    Returns:
        The item's index.
    """
    item = guide[part(number, len(guide))]
    while item > 0 and cumulative[item - 1] > number:
        item -= 1
    while cumulative[item] <= number:
        item += 1
    return item


INVERT = openmp.arguments(
    cumulative=ADDRESS, guide=ADDRESS, numbers=ADDRESS, items=ADDRESS, n_items=INT
)


@openmp.loop(INVERT)
def invert_all(pointer: Any) -> None:
    """Fills in what `invert` gives for each number (n,): items (n,)."""
    given = arguments_at(pointer)
    cumulative, guide = doubles(given.cumulative, given.n_items), ints(given.guide, given.n_items)
    numbers, items = doubles(given.numbers, given.n), ints(given.items, given.n)
    begin, end = take(pointer)
    while begin < end:
        for first in range(begin, end, _BLOCK):
            block = range(first, min(first + _BLOCK, end))
            for i in block:
                prefetch(given.guide + 8 * part(numbers[i], given.n_items), 2)
            for i in block:
                prefetch(given.cumulative + 8 * guide[part(numbers[i], given.n_items)], 2)
            for i in block:
                items[i] = invert(cumulative, guide, numbers[i])
        begin, end = take(pointer)
