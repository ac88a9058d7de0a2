"""Compiled loops of the training step on a CPU: what memory traffic alone should cost.

They are compiled on first use and kept in the user's cache folder, run on the calling thread and
release the interpreter's lock; they read and write NumPy arrays that share memory with tensors.
"""

from pathlib import Path
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
import platformdirs

_config: Any = numba.config
if not _config.CACHE_DIR:  # NUMBA_CACHE_DIR is not set
    _config.CACHE_DIR = str(Path(platformdirs.user_cache_dir("gru4rec")) / "numba")

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_compiled: Any = numba.njit(nogil=True, cache=True, error_model="numpy")
# sums stay in order; only the square root and division may be vectorised
_compiled_fast: Any = numba.njit(
    nogil=True, cache=True, error_model="numpy", fastmath={"contract", "arcp", "nsz"}
)


@_compiled
def number_distinct(items: Ints, first: int, numbers: Ints, rows: Ints, places: Ints) -> int:
    """Lists each item once and says where each item of a batch is in that list.

    Args:
        items: Item indices, shape (n,).
        first: How many rows are listed already; they are kept.
        numbers: Place of each item of the catalogue in the list, or −1, shape (n_items,).
        rows: The list, long enough; is filled from `first` on.
        places: Place in the list of each of `items`, shape (n,); is filled.

    Returns:
        How many rows are listed now.

    Raises:
        IndexError: An item is not in the catalogue.
    """
    n = first
    for i in range(len(items)):
        item = items[i]
        # a compiled loop would write anywhere
        if item < 0 or item >= len(numbers):
            raise IndexError("an item index is outside the catalogue")
        if numbers[item] < 0:
            numbers[item] = n
            rows[n] = item
            n += 1
        places[i] = numbers[item]
    return n


@_compiled
def forget_numbers(numbers: Ints, rows: Ints) -> None:
    """Sets the listed items back to −1 in `numbers`; see `number_distinct`."""
    for row in rows:
        numbers[row] = -1


@_compiled
def add_weights(weights: Floats, places: Ints, items: Ints, weight_of_item: Floats) -> None:
    """Adds the weight of each item (n,) to the candidate that its place names."""
    for i in range(len(items)):
        weights[places[i]] += weight_of_item[items[i]]


@_compiled
def gather_rows(table: Floats, rows: Ints, out: Floats) -> None:
    """Copies rows of a table (n_items, width) to `out` (n, width)."""
    for i in range(len(rows)):
        out[i] = table[rows[i]]


@_compiled
def add_rows(out: Floats, places: Ints, values: Floats) -> None:
    """Adds each row of values (n, width) to the row of `out` that its place names."""
    for i in range(len(places)):
        for j in range(values.shape[1]):
            out[places[i], j] += values[i, j]


@_compiled_fast
def adagrad(
    table: Floats,
    accumulators: Floats,
    rows: Ints,
    gradients: Floats,
    learning_rate: np.float32,
    epsilon: np.float32,
) -> None:
    """Updates rows of a table (n_items, width) by gradients (n, width); see `optimizer.Adagrad`."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(table.shape[1]):
            gradient = gradients[i, j]
            accumulator = accumulators[row, j] + gradient * gradient
            accumulators[row, j] = accumulator
            table[row, j] -= learning_rate * gradient / np.sqrt(accumulator + epsilon)


@_compiled_fast
def adagrad_with_momentum(
    table: Floats,
    accumulators: Floats,
    velocities: Floats,
    rows: Ints,
    gradients: Floats,
    learning_rate: np.float32,
    epsilon: np.float32,
    momentum: np.float32,
) -> None:
    """`adagrad` with momentum; velocities have the shape of the table."""
    for i in range(len(rows)):
        row = rows[i]
        for j in range(table.shape[1]):
            gradient = gradients[i, j]
            accumulator = accumulators[row, j] + gradient * gradient
            accumulators[row, j] = accumulator
            velocity = momentum * velocities[row, j]
            velocity -= learning_rate * gradient / np.sqrt(accumulator + epsilon)
            velocities[row, j] = velocity
            table[row, j] += velocity
