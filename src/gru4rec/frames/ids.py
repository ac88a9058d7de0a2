"""Ids of sessions and items, in the columns of DataFrames and in arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from gru4rec.errors import DataError, shown
from gru4rec.frames.exactness import LARGEST_EXACT_DOUBLE, largest_exact

Ids = npt.NDArray[Any]  # int64, or object holding str


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
        given = values if isinstance(values, pd.Series) else pd.Series(_as_array(values))
        if n_missing := int(given.isna().sum()):
            raise DataError(f"{name} has {n_missing} missing value(s); drop them first")
        series = _in_own_type(given)
    except UnicodeError as error:
        raise DataError(f"{name} holds text that is not valid Unicode: {error}") from None
    kind = series.dtype
    if len(series) == 0:
        return np.empty(0, dtype=np.int64)
    if types.is_bool_dtype(kind):
        raise DataError(f"{name} is boolean; integers or text are expected")
    if types.is_integer_dtype(kind):
        if types.is_unsigned_integer_dtype(kind) and series.max() >= 2**63:
            raise DataError(f"{name} holds {series.max()}, beyond 64-bit integers; turn it to text")
        return series.to_numpy(dtype=np.int64)
    if types.is_float_dtype(kind):
        return _whole_numbers(series.to_numpy(dtype=np.float64), _exact_below(given, series), name)
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


def _in_own_type(series: "pd.Series[Any]") -> "pd.Series[Any]":
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.astype(series.cat.categories.dtype)
    return series.infer_objects() if series.dtype == object else series


def _exact_below(given: "pd.Series[Any]", inferred: "pd.Series[Any]") -> int:
    kinds = {inferred.dtype}
    if given.dtype == object:  # pandas has made 64 bits of what was in there
        kinds |= {value.dtype for value in given if isinstance(value, np.floating)}
    return min(largest_exact(kind) or LARGEST_EXACT_DOUBLE for kind in kinds)


def _whole_numbers(values: npt.NDArray[np.float64], limit: int, name: str) -> Ids:
    bad = values[(values != np.floor(values)) | (np.abs(values) >= limit)]
    if len(bad):
        raise DataError(
            f"{name} holds {bad[0]} as a floating-point number, which is no exact id (such a "
            f"column holds whole numbers below {limit:,} exactly); read it as integers or text"
        )
    return values.astype(np.int64)
