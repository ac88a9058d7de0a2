"""Compiled loops over rows: which a training step uses, and their masks, copies and sums.

They are compiled on first use and kept in the user's cache folder, run on the calling thread and
release the interpreter's lock; they read and write NumPy arrays, which may be those of tensors.
Importing this module takes half a second, so it is imported where it is used.
"""

import numpy as np

from gru4rec.compute.compiled.arrays import Bools, Floats, Ints
from gru4rec.compute.compiled.compiling import compiled

_compiled = compiled()


@_compiled
def number_distinct(
    items: Ints, n_items: int, first: int, slots: Ints, rows: Ints, places: Ints
) -> int:
    """Lists each item once and says where each item of a batch is in that list.

    Args:
        items: Item indices, shape (n,).
        n_items: Size of the catalogue.
        first: How many rows are listed already; they are kept.
        slots: A hash table of places in the list, with linear probing; −1 where it is free. Its
            length is a power of two and at least twice that of the list.
        rows: The list, long enough; is filled from `first` on.
        places: Place in the list of each of `items`, shape (at least n,); is filled.

    Returns:
        How many rows are listed now.

    Raises:
        IndexError: An item is not in the catalogue.
    """
    n, last = first, len(slots) - 1
    for i in range(len(items)):
        item = items[i]
        # a compiled loop would write anywhere
        if item < 0 or item >= n_items:
            raise IndexError("an item index is outside the catalogue")
        # the upper half of a product with the golden ratio is well mixed
        slot = np.int64((np.uint64(item) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & last
        while slots[slot] >= 0 and rows[slots[slot]] != item:
            slot = (slot + 1) & last
        if slots[slot] < 0:
            slots[slot] = n
            rows[n] = item
            n += 1
        places[i] = slots[slot]
    return n


@_compiled
def list_candidates(
    targets: Ints,
    negatives: Ints,
    n_items: int,
    slots: Ints,
    rows: Ints,
    places: Ints,
    positives: Ints,
    draws: Ints,
) -> int:
    """Begins a list with the distinct candidates of a step and counts their copies.

    Args:
        targets: Item indices, shape (n,).
        negatives: Item indices, shape (n_sample,).
        n_items: See `number_distinct`.
        slots: See `number_distinct`.
        rows: See `number_distinct`.
        places: Distinct candidate of each of both, shape (at least n + n_sample,); is filled.
        positives: Copies among the targets, shape (at least n_distinct,); is filled.
        draws: Copies among the negatives, shape (at least n_distinct,); is filled.

    Returns:
        How many distinct candidates there are.

    Raises:
        IndexError: An item is not in the catalogue.
    """
    slots[:] = -1
    n: int = number_distinct(targets, n_items, 0, slots, rows, places)
    n = number_distinct(negatives, n_items, n, slots, rows, places[len(targets) :])
    positives[:n] = 0
    draws[:n] = 0
    for i in range(len(targets)):
        positives[places[i]] += 1
    for i in range(len(targets), len(targets) + len(negatives)):
        draws[places[i]] += 1
    return n


@_compiled
def zero_rows(values: Floats, wanted: Bools) -> None:
    """Zeroes the wanted (n,) of the rows (n, width)."""
    for i in range(len(wanted)):
        if wanted[i]:
            values[i] = 0


@_compiled
def add_rows(out: Floats, places: Ints, values: Floats) -> None:
    """Adds each row of values (n, width) to the row of `out` that its place names."""
    for i in range(len(values)):
        for j in range(values.shape[1]):
            out[places[i], j] += values[i, j]


@_compiled
def fill_mask(mask: Floats, key: int, probability: float) -> None:
    """Fills a dropout mask, shape (n, width): 0 with the probability, else 1 / (1 − probability).

    The numbers are those of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014) from the key on, each of
    which serves two places.
    """
    # chosen as integers: among floats it would be a jump, which cannot be foreseen
    kept, dropped = np.float32(1 / (1 - probability)).view(np.int32), np.int32(0)
    values = mask.reshape(-1).view(np.int32)
    bound = np.uint64(probability * 2**32)
    state = np.uint64(key)
    for i in range(0, len(values), 2):
        state += np.uint64(0x9E3779B97F4A7C15)
        z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        values[i] = kept if (z >> np.uint64(32)) >= bound else dropped
        if i + 1 < len(values):
            values[i + 1] = kept if (z & np.uint64(0xFFFFFFFF)) >= bound else dropped
