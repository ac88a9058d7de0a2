"""Times of events, in the columns of DataFrames."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from gru4rec.errors import DataError, shown
from gru4rec.frames.exactness import LARGEST_EXACT_DOUBLE, largest_exact, refuse_inexact

LATEST_TIME = 2**63 - 1


def as_times(times: "pd.Series[Any]") -> npt.NDArray[Any]:
    """Brings times into a form that orders them as they are.

    Args:
        times: Numbers from 0, or timestamps of any zone, or dates; none missing, shape (n,).

    Returns:
        Shape (n,): int64 or float64; or datetime64 in UTC, in the unit that the column has.

    Raises:
        DataError: They are of another kind, or negative, not finite, or beyond 64-bit integers or
            what their type holds exactly.
    """
    kind = times.dtype
    if str(kind).startswith(("date32", "date64")):  # Arrow's
        times = times.astype("datetime64[s]")
    if types.is_datetime64_any_dtype(times.dtype):
        ticks = times.astype("int64").to_numpy()
        return ticks.view(f"datetime64[{times.dt.unit}]")
    is_integer, is_decimal = types.is_integer_dtype(kind), "decimal" in str(kind)
    if not (is_integer or is_decimal or types.is_float_dtype(kind)):
        raise DataError(
            f"The time column {times.name!r} holds {kind} values such as {shown(times.iloc[0])}; "
            "numbers or timestamps are expected (pd.to_datetime reads text)"
        )
    numbers = times if is_integer else times.astype("float64")
    impossible = (~numbers.between(0, LATEST_TIME)).to_numpy(bool)
    if impossible.any():
        raise DataError(
            f"The time column {times.name!r} has {impossible.sum():,} values that are negative, "
            f"not finite or beyond 64-bit integers (first: {times[impossible].iloc[0]}); mend or "
            "drop these rows"
        )
    limit = LARGEST_EXACT_DOUBLE if is_decimal else largest_exact(kind)
    if limit is not None:
        large = numbers[numbers >= limit]
        refuse_inexact(str(times.name), kind, limit, len(large), large.max())
    return numbers.to_numpy("int64" if is_integer else "float64")


def in_seconds(times: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turns times of `as_times` into numbers, shape (n,): timestamps into seconds since 1970."""
    if times.dtype.kind != "M":
        return times
    seconds: npt.NDArray[np.float64] = times.astype("datetime64[us]").astype("int64") / 1e6
    return seconds
