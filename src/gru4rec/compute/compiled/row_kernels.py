"""Compiled loops over rows: which a training step uses, and their masks, copies and sums.

All but `gather` run on the calling thread; they read and write NumPy arrays, which may be those of
tensors.
"""

from typing import Annotated

import numpy as np

from gru4rec.compute.compiled.addresses import prefetch
from gru4rec.compute.compiled.arrays import Bools, Floats, Ints
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.loops import loop

_compiled = compiled()

# rows of a table are asked for so many rows before they are used: they are far apart in memory
_AHEAD = 128

# 2^64 divided by the golden ratio
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# e^−700 is about as small as 64 bits can hold
_MOST = np.float32(700)


@_compiled
def number_distinct(
    items: Ints, n_items: int, first: int, slots: Ints, rows: Ints, places: Ints
) -> int:
    """Lists each item once and says where each item of a batch is in that list.

    Args:
        items: Item indices, shape (n,).
        n_items: Size of the catalogue.
        first: How many rows are listed already; they are kept.
        slots: A hash table of places in the list: Fibonacci hashing (Knuth, TAOCP 3, 6.4), linear
            probing, −1 where it is free. Its length is a power of two and at least twice that of
            the list.
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
        slot = np.int64((np.uint64(item) * _GOLDEN) >> np.uint64(32)) & last
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
        state += _GOLDEN
        z = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        values[i] = kept if (z >> np.uint64(32)) >= bound else dropped
        if i + 1 < len(values):
            values[i + 1] = kept if (z & np.uint64(0xFFFFFFFF)) >= bound else dropped


@loop
def gather(
    begin: int,
    end: int,
    table: Annotated[Floats, "n_rows", "width"],
    biases: Annotated[Floats, "n_rows"],
    log_counts: Annotated[Floats, "n_rows"],
    rows: Annotated[Ints, "n"],
    positives: Annotated[Ints, "n_candidates"],
    draws: Annotated[Ints, "n_candidates"],
    out: Annotated[Floats, "n", "stride"],
    offsets: Annotated[Floats, "n_candidates"],
    copies: Annotated[Floats, "n_candidates"],
    shares: Annotated[Floats, "n_candidates"],
    n_rows: int,  # noqa: ARG001  (of the table)
    width: int,
    stride: int,  # noqa: ARG001  (of what is copied)
    n_candidates: int,
    logarithms: int,
    positive_logq: float,
    negative_logq: float,
) -> None:
    """Copies rows of a table and weighs candidates.

    The first `n_candidates` rows are those. Each has so many positives and draws among the copies
    of its item, and gets their number, the bias plus (if asked for) the logarithm of what they
    weigh in the softmax together, and the share of one positive in that. A copy weighs
    e^(−its log-Q correction).
    """
    for i in range(begin - _AHEAD, end):
        if i + _AHEAD < end:
            row = rows[i + _AHEAD]
            prefetch(table, row)
            prefetch(biases, row)
            prefetch(log_counts, row)
        if i >= begin:
            original, copy = table[rows[i]], out[i]
            for j in range(width):
                copy[j] = original[j]
    for i in range(begin, min(end, n_candidates)):
        copies[i] = positives[i] + draws[i]
        offsets[i] = biases[rows[i]]
        if logarithms == 0:
            continue
        correction = negative_logq * log_counts[rows[i]]
        if positives[i] == 0:
            offsets[i] -= correction
            if draws[i] > 1:
                offsets[i] += np.log(copies[i])
            continue
        # 64 bits: with a strong correction the weights of popular items are very small
        own = np.exp(-np.float64(min(positive_logq * log_counts[rows[i]], _MOST)))
        weight = positives[i] * own
        weight += draws[i] * np.exp(-np.float64(min(correction, _MOST)))
        offsets[i] += np.log(weight)
        shares[i] = own / weight
