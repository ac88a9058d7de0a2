"""Item ids and their indices: a one-to-one map that never loses a bit of an id."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.errors import DataError, shown

Ids = npt.NDArray[Any]  # int64, or object holding str
Indices = npt.NDArray[np.int64]

UNKNOWN = -1


def as_ids(values: "pd.Series[Any] | npt.ArrayLike", name: str) -> Ids:
    """Brings ids into one of the two exact forms.

    Args:
        values: Integers, text, or floats that are whole numbers (as pandas makes of integers with
            gaps), shape (n,).
        name: What they are, for messages.

    Returns:
        Shape (n,), dtype int64 or object (of str).

    Raises:
        DataError: Values are missing, of another type or mixed, or do not fit 64 bits.
    """
    try:
        given = series = values if isinstance(values, pd.Series) else pd.Series(_as_array(values))
        n_missing = int(series.isna().sum())
        if n_missing:
            raise DataError(f"{name} has {n_missing} missing value(s); drop them first")
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = series.astype(series.cat.categories.dtype)
        elif series.dtype == object:
            series = series.infer_objects()
    except UnicodeError as error:
        raise DataError(f"{name} holds text that is not valid Unicode: {error}") from None
    if len(series) == 0:
        return np.empty(0, dtype=np.int64)
    if pd.api.types.is_bool_dtype(series.dtype):
        raise DataError(f"{name} is boolean; integers or text are expected")
    if pd.api.types.is_integer_dtype(series.dtype):
        if pd.api.types.is_unsigned_integer_dtype(series.dtype) and series.max() >= 2**63:
            raise DataError(f"{name} holds {series.max()}, beyond 64-bit integers; turn it to text")
        return series.to_numpy(dtype=np.int64)
    if pd.api.types.is_float_dtype(series.dtype):
        return _whole_numbers(series.to_numpy(dtype=np.float64), _exact_bits(given, series), name)
    objects = series.to_numpy(dtype=object)
    for value in objects:
        if not isinstance(value, str):
            raise DataError(
                f"{name} holds {shown(value)} of type {type(value).__name__}; all ids must be "
                "integers or all must be text"
            )
    return objects


def _as_array(values: npt.ArrayLike) -> npt.NDArray[Any]:
    # a plain np.array() would turn [1, "a"] into two strings
    return values if isinstance(values, np.ndarray) else np.fromiter(values, object)  # type: ignore[arg-type]


def _exact_bits(given: "pd.Series[Any]", inferred: "pd.Series[Any]") -> int:
    """Bits of a whole number that all floats of a column hold exactly: 53 of 64, 24 of 32."""
    kinds = {getattr(inferred.dtype, "numpy_dtype", inferred.dtype)}
    if given.dtype == object:  # pandas has made 64 bits of what was in there
        kinds |= {value.dtype for value in given if isinstance(value, np.floating)}
    return min(53, *(np.finfo(kind).nmant + 1 for kind in kinds))


def _whole_numbers(values: npt.NDArray[np.float64], exact_bits: int, name: str) -> Ids:
    bad = values[(values != np.floor(values)) | (np.abs(values) >= 2.0**exact_bits)]
    if len(bad):
        raise DataError(
            f"{name} holds {bad[0]} as a floating-point number, which is no exact id (such a "
            f"column holds whole numbers below 2^{exact_bits} exactly); read it as integers or text"
        )
    return values.astype(np.int64)


class Vocabulary:
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
        """Returns what `encode` says of one item; one that is known takes a microsecond."""
        if type(item) is (str if self.holds_text else int) and item in self._index:
            index: Any = self._index.get_loc(item)
            return int(index)
        return int(self.encode([item])[0])

    def decode(self, indices: Indices) -> Ids:
        """Returns the item id of each index, shape as given."""
        return self.ids[indices]

    def extended(self, items: Sequence[Any] | Ids) -> "Vocabulary":
        """Returns a vocabulary with the unknown ones of `items` appended, by first appearance."""
        ids = as_ids(items, "item ids")
        unknown = pd.unique(ids[self.encode(ids) == UNKNOWN])
        return Vocabulary(np.concatenate([self.ids, unknown])) if len(unknown) else self
