"""Lists of the best items for each target, and what can be said of them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.compute import Best

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Lists:
    """The best items for each target, and how often they were seen in training.

    Attributes:
        items: Item indices, best first, −1 behind the end of a list, shape (n, k).
        counts: Training events of each item that the model knows, shape (n_items,).
    """

    items: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int64]

    def mean(self, values: Floats, k: int) -> Floats:
        """Returns the mean of a value over the first k items of each list, 0 of an empty one.

        Args:
            values: Of each item, shape (n_items,).
            k: At most the length of the lists, unless the catalogue has no more items.

        Returns:
            Shape (n,).
        """
        total, length = np.zeros(len(self.items)), np.zeros(len(self.items))
        for items in self.items[:, :k].T:  # a column at a time: little memory
            is_there = items >= 0
            total += np.where(is_there, values[items], 0.0)
            length += is_there
        means: Floats = total / np.maximum(length, 1)
        return means

    def shown(self, k: int) -> npt.NDArray[np.int64]:
        """Returns how often each item is among the first k of a list, shape (n_items,)."""
        items = self.items[:, :k]
        return np.bincount(items[items >= 0], minlength=len(self.counts))


def padded(best: Best | None, n: int, k: int) -> npt.NDArray[np.int32]:
    """Brings the best items of n rows into one table, −1 behind the end of a row, shape (n, k)."""
    items = np.full((n, k), -1, dtype=np.int32)
    if best is not None:
        items[np.arange(k) < best.lengths[:, None]] = best.items
    return items


def percentiles(lists: Lists, k: int) -> Floats:
    """Mean popularity rank of the items of a list, as a share of the catalogue; shape (n,).

    The item with the fewest training events has 1/n_items, that with the most 1; equal ones have
    the mean of their places.
    """
    return lists.mean(pd.Series(lists.counts).rank().to_numpy() / len(lists.counts), k)


def self_information(lists: Lists, k: int) -> Floats:
    """Mean of −log₂ of the items' shares of all training events, in bits; shape (n,).

    An item without training events counts as one with one.
    """
    counts = np.maximum(lists.counts, 1)
    return lists.mean(-np.log2(counts / counts.sum()), k)


def shares_of_popular(lists: Lists, k: int) -> Floats:
    """Share of the items of a list that are among the k with the most training events; (n,)."""
    is_popular = np.zeros(len(lists.counts))
    is_popular[np.argsort(-lists.counts, kind="stable")[:k]] = 1.0
    return lists.mean(is_popular, k)


def coverage(shown: npt.NDArray[np.int64]) -> float:
    """Share of the catalogue that is shown at all; how often each item is, shape (n_items,)."""
    return float((shown > 0).mean())


def gini(shown: npt.NDArray[np.int64]) -> float:
    """Gini coefficient of how often each item is shown, shape (n_items,): 0 equally, near 1 one."""
    n, ascending = len(shown), np.sort(shown)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ascending / (n * max(ascending.sum(), 1)))
