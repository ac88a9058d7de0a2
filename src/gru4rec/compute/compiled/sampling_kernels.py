"""The compiled loop of sampling: numbers in [0, 1) become items."""

from typing import Annotated, Any

from gru4rec.compute.compiled.addresses import prefetch
from gru4rec.compute.compiled.arrays import Doubles, Ints
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.loops import loop

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


@loop
def invert_all(
    begin: int,
    end: int,
    cumulative: Annotated[Doubles, "n_items"],
    guide: Annotated[Ints, "n_items"],
    numbers: Annotated[Doubles, "n"],
    items: Annotated[Ints, "n"],
    n_items: int,
) -> None:
    """Fills in the items that `invert` gives for numbers."""
    for first in range(begin, end, _BLOCK):
        block = range(first, min(first + _BLOCK, end))
        for i in block:
            prefetch(guide, part(numbers[i], n_items))
        for i in block:
            prefetch(cumulative, guide[part(numbers[i], n_items)])
        for i in block:
            items[i] = invert(cumulative, guide, numbers[i])
