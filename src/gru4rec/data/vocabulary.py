"""Item ids and their indices: a one-to-one map that never loses a bit of an id."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.cards import Card, Shown, counted, some
from gru4rec.errors import DataError, shown
from gru4rec.frames.ids import Ids, as_ids

Indices = npt.NDArray[np.int64]

UNKNOWN = -1

_FIRST, _LAST = np.iinfo(np.int64).min, np.iinfo(np.int64).max  # of NumPy, but Python's integers


class Vocabulary(Shown):
    """The items that a model knows, in index order.

    Args:
        ids: Distinct item ids, shape (n,): int64 or str.

    Example:
        >>> vocabulary = Vocabulary.from_items(np.array([30, 10, 30, 20]))
        >>> vocabulary.encode([10, 20, 99]).tolist()
        [1, 2, -1]
    """

    def __init__(self, ids: Ids) -> None:
        self._index = pd.Index(ids, dtype=np.int64 if ids.dtype == np.int64 else object)
        if not self._index.is_unique:
            repeated = self._index[self._index.duplicated()].tolist()[0]
            raise DataError(f"item id {shown(repeated)} occurs twice in the vocabulary")

    @classmethod
    def from_items(cls, items: Ids) -> "Vocabulary":
        """Numbers items by first appearance, as algorithm demands of the ordered log."""
        return cls(pd.unique(items))

    @property
    def ids(self) -> Ids:
        """Item ids in index order, shape (n,)."""
        return self._index.to_numpy()

    @property
    def holds_text(self) -> bool:
        """Whether ids are text rather than integers."""
        return bool(self._index.dtype == object)

    def _card(self) -> Card:
        kind = "text" if self.holds_text else "integers"
        facts = [counted(len(self), "item"), kind, some(self._index[:6].tolist(), len(self))]
        return Card("Vocabulary", facts)

    def __len__(self) -> int:
        return len(self._index)

    def encode(self, items: "pd.Series[Any] | npt.ArrayLike") -> Indices:
        """Returns the index of each item, shape (n,); `UNKNOWN` (−1) where there is none.

        Raises:
            DataError: The items are of another kind than the model's (text against integers).
        """
        ids = as_ids(items, "item ids")
        if len(ids) and (ids.dtype == object) != self.holds_text:
            mine, theirs = ("text", "integers") if self.holds_text else ("integers", "text")
            raise DataError(
                f"the model knows its items by {mine}, but {theirs} were given "
                f"(such as {shown(ids[:1].tolist()[0])}); convert them"
            )
        return self._index.get_indexer(pd.Index(ids, dtype=self._index.dtype)).astype(np.int64)

    def find(self, item: Any) -> int:
        """Returns what `encode` says of one item; plain text or a plain integer takes 1 µs."""
        if type(item) is (str if self.holds_text else int):
            if item in self._index:
                index: Any = self._index.get_loc(item)
                return int(index)
            if item.isascii() if isinstance(item, str) else _FIRST <= item <= _LAST:
                return UNKNOWN
        return int(self.encode([item])[0])

    def from_text(self, text: str) -> str | int:
        """Returns an id that was written as text, as it is in addresses, files and on terminals.

        Raises:
            DataError: The model's ids are integers, and this is none.
        """
        if self.holds_text:
            return text
        if not re.fullmatch("[+-]?[0-9]{1,20}", text):
            raise DataError(f"the model knows its items by integers; {shown(text)} is none")
        return int(text)

    def decode(self, indices: Indices) -> Ids:
        """Returns the item id of each index, shape as given."""
        return self.ids[indices]

    def extended(self, items: Sequence[Any] | Ids) -> "Vocabulary":
        """Returns a vocabulary with the unknown ones of `items` appended, by first appearance."""
        ids = as_ids(items, "item ids")
        unknown = pd.unique(ids[self.encode(ids) == UNKNOWN])
        return Vocabulary(np.concatenate([self.ids, unknown])) if len(unknown) else self

    def without(self, indices: Indices) -> "Vocabulary":
        """Returns a vocabulary without some items; the others keep their order."""
        return Vocabulary(np.delete(self.ids, indices))
