"""The compiled loop over a compact copy of the output embeddings; see `compact`."""

from typing import Annotated, Any

import numpy as np

from gru4rec.compute.compiled.addresses import prefetch
from gru4rec.compute.compiled.arithmetic import row_function
from gru4rec.compute.compiled.arrays import Bytes, Floats
from gru4rec.compute.compiled.loops import loop

_AHEAD = 128  # columns of a block that are asked for before they are used
_LOWEST = np.float32(-np.inf)


@row_function
def add_four(sums: Floats, columns: Bytes, state: Floats) -> None:
    """Adds four columns of a block, one after the other in memory, times four units of a state.

    Side by side the items need no sum across a vector, which would cost most of the time, and four
    columns at once a quarter of the reading and writing of `sums`.
    """
    n = len(sums)
    a, b, c, d = columns[:n], columns[n : 2 * n], columns[2 * n : 3 * n], columns[3 * n : 4 * n]
    for i in range(n):
        sums[i] += (np.float32(a[i]) * state[0] + np.float32(b[i]) * state[1]) + (
            np.float32(c[i]) * state[2] + np.float32(d[i]) * state[3]
        )


@row_function
def largest_bounds(products: Floats, scales: Floats, biases: Floats, margin: Any) -> Any:
    """The largest of scale · (product − margin) + bias, and that with + margin."""
    low = high = _LOWEST
    for i in range(len(products)):
        lower = scales[i] * (products[i] - margin) + biases[i]
        upper = scales[i] * (products[i] + margin) + biases[i]
        low, high = max(low, lower), max(high, upper)
    return low, high


@loop
def bound_groups(
    begin: int,
    end: int,
    blocks: Annotated[Bytes, "n", "width", "block"],
    scales: Annotated[Floats, "n", "block"],
    biases: Annotated[Floats, "n", "block"],
    state: Annotated[Floats, "width"],
    lows: Annotated[Floats, "n", "groups"],
    highs: Annotated[Floats, "n", "groups"],
    width: int,
    block: int,
    groups: int,
    margin: float,
) -> None:
    """Fills in `largest_bounds` of each group of items; a block has several, and a column an item.

    `width` is a multiple of four, `block` one of `groups`.
    """
    sums, size = np.empty(block, np.float32), block // groups
    for number in range(begin, end):
        columns = blocks[number].reshape(width * block)
        sums[:] = 0
        for j in range(0, width, 4):
            for ahead in range(_AHEAD, _AHEAD + 4):
                prefetch(blocks[number], j + ahead)
            add_four(sums, columns[j * block : (j + 4) * block], state[j : j + 4])
        for group in range(groups):
            of = slice(group * size, (group + 1) * size)
            lows[number, group], highs[number, group] = largest_bounds(
                sums[of], scales[number, of], biases[number, of], margin
            )
