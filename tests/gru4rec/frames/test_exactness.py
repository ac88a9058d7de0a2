import ibis.expr.datatypes as dt
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gru4rec import GRU4Rec, batch_eval
from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.frames.exactness import largest_exact
from gru4rec.preparation import load_events, split_data, train_valid_test_split

T0 = 1_600_000_000


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (np.dtype("float16"), 2**11),
        (np.dtype("float32"), 2**24),
        (pd.Float32Dtype(), 2**24),
        (pd.ArrowDtype(pa.float32()), 2**24),
        (pd.ArrowDtype(pa.float16()), 2**11),
        (dt.Float32(nullable=False), 2**24),
        (dt.float32, 2**24),
        (np.dtype("float64"), None),
        (np.dtype("int32"), None),
        (dt.string, None),
    ],
)
def test_the_limit_is_that_of_the_type(dtype: object, expected: int | None) -> None:
    assert largest_exact(dtype) == expected


def events(dtype: str, start: int) -> pd.DataFrame:
    times = (
        pd.Series(np.arange(start, start + 40))
        .astype(dtype.split("[", maxsplit=1)[0])
        .astype(dtype)
    )
    return pd.DataFrame(
        {"SessionId": np.repeat(range(10), 4), "ItemId": [1, 2] * 20, "Time": times}
    )


@pytest.mark.parametrize(
    ("dtype", "start"),
    [
        ("float32", T0),
        ("Float32", T0),
        ("float[pyarrow]", T0),
        ("float32", 2**24 - 20),
        ("float16", 2040),
    ],
)
def test_rounded_times_are_refused_wherever_they_come_in(dtype: str, start: int) -> None:
    data = events(dtype, start)
    ordinal = LoadingConfig(time_unit="ordinal")
    gru = GRU4Rec(layers=[2], n_sample=2, n_epochs=1, batch_size=4, device="cpu")
    gru.fit(events("int64", start))
    for use in (
        lambda: load_events(data, DataConfig(), ordinal),
        lambda: train_valid_test_split(data),
        lambda: split_data(data, {}),
        lambda: gru.fit(data),
        lambda: batch_eval(gru, data),
    ):
        with pytest.raises(DataError, match=r"'Time' of type .*(float|Float).* kept exact"):
            use()


@pytest.mark.parametrize(("dtype", "start"), [("float32", 2**24 - 41), ("float16", 2000)])
def test_small_times_are_exact_in_any_type(dtype: str, start: int) -> None:
    data = events(dtype, start)
    loaded = load_events(data, DataConfig(), LoadingConfig(time_unit="ordinal"))
    assert loaded["Time"].tolist() == list(range(start, start + 40))
    assert sum(map(len, train_valid_test_split(data))) == 40
