"""What a column of floats holds exactly."""

from typing import Any

import pandas as pd

from gru4rec.errors import DataError

LARGEST_EXACT_DOUBLE = 2**53  # from here on a 64-bit float may stand for several whole numbers

_LARGEST = {
    "float16": 2**11,
    "halffloat[pyarrow]": 2**11,
    "float32": 2**24,
    "float[pyarrow]": 2**24,
}


def largest_exact(dtype: object) -> int | None:
    """Says from where on a column may have rounded whole numbers: it holds those below exactly.

    Args:
        dtype: Type of the column, of pandas, NumPy or Ibis.

    Returns:
        2¹¹ for half and 2²⁴ for single precision; None for all other types.
    """
    return _LARGEST.get(str(dtype).lower().removeprefix("!"))


def refuse_inexact_times(times: "pd.Series[Any]") -> None:
    """Checks times for such as their type has rounded, so that different ones may have become one.

    Raises:
        DataError: There are some.
    """
    limit = largest_exact(times.dtype)
    if limit is None:
        return
    large = times.abs() >= limit
    if large.any():
        raise DataError(
            f"The time column {times.name!r} of type {times.dtype} has {large.sum():,} times such "
            f"as {float(times[large].iloc[0]):.15g}, but this type holds whole numbers below "
            f"{limit:,} only; store the column as integers or float64 from the start (a cast does "
            "not bring back what is lost)"
        )
