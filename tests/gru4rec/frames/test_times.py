from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gru4rec.errors import DataError
from gru4rec.frames.times import as_times, in_seconds


def decimals(values: list[int | str]) -> pd.Series:
    exact = pa.array([Decimal(value) for value in values], pa.decimal128(30, 3))
    return pd.Series(exact, dtype=pd.ArrowDtype(exact.type), name="t")


def test_numbers_stay_what_they_are() -> None:
    large = as_times(pd.Series([2**63 - 1, 2**53 + 1], dtype="uint64", name="t"))
    assert large.dtype == np.int64
    assert large.tolist() == [2**63 - 1, 2**53 + 1]
    assert as_times(decimals(["1.5", "2"])).tolist() == [1.5, 2.0]
    with pytest.raises(DataError, match=r"'t' of type decimal.* has 1 values .*9,007,199,254"):
        as_times(decimals([2**53, 1]))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("arrow", [False, True])
def test_timestamps_keep_their_unit_and_count_from_1970_in_utc(unit: str, arrow: bool) -> None:
    stamps = pd.Series(pd.to_datetime(["1969-12-31T23:00", "1970-01-01T03:00"])).dt.as_unit(unit)
    local = stamps.dt.tz_localize("Etc/GMT-2")
    if arrow:
        local = local.astype(pd.ArrowDtype(pa.timestamp(unit, "Etc/GMT-2")))
    times = as_times(local)
    assert times.dtype == f"datetime64[{unit}]"
    assert in_seconds(times).tolist() == [-3 * 3600.0, 3600.0]


def test_dates_are_timestamps() -> None:
    dates = pd.Series(pd.array([0, 2], dtype="int32[pyarrow]")).astype(pd.ArrowDtype(pa.date32()))
    assert in_seconds(as_times(dates)).tolist() == [0.0, 2 * 86_400.0]
