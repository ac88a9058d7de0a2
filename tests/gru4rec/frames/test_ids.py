from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec.errors import DataError
from gru4rec.frames.ids import as_ids

LARGEST = 2**63 - 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3, 1], [3, 1]),
        ((3, 1), [3, 1]),
        (np.array([3, 1], dtype=np.int32), [3, 1]),
        (np.array([3, 1], dtype=np.uint8), [3, 1]),
        (pd.Series([3.0, -1.0]), [3, -1]),
        (pd.Series([3, 1], dtype="Int64"), [3, 1]),
        (pd.Series([3, 1], dtype="UInt64"), [3, 1]),
        (pd.Series([3.0, 1.0], dtype="Float64"), [3, 1]),
        (pd.Series([3, LARGEST], dtype="int64[pyarrow]"), [3, LARGEST]),
        (pd.Series([3, LARGEST], dtype=object), [3, LARGEST]),
        (pd.Series([3, 1], dtype="category"), [3, 1]),
        (pd.Series([np.int64(3), 1], dtype=object), [3, 1]),
        (["b", "a"], ["b", "a"]),
        (np.array(["b", "a"]), ["b", "a"]),
        (pd.Series(["b", "a"]), ["b", "a"]),
        (pd.Series(["b", "a"], dtype=object), ["b", "a"]),
        (pd.Series([np.str_("b"), "a"], dtype=object), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="string"), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="string[pyarrow]"), ["b", "a"]),
        (pd.Series(["b", "a"], dtype="category"), ["b", "a"]),
    ],
    ids=lambda value: getattr(value, "dtype", None) and str(value.dtype),
)
def test_ids_take_one_of_two_exact_forms(values: Any, expected: list[Any]) -> None:
    ids = as_ids(values, "items")

    assert ids.tolist() == expected
    assert [type(value) for value in ids.tolist()] == [type(value) for value in expected]
    assert ids.dtype in (np.int64, object)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["a", None, None], r"items has 2 missing value\(s\)"),
        (pd.Series([1, None], dtype="Int64"), r"items has 1 missing value\(s\)"),
        (pd.Series([1, None], dtype="category"), r"items has 1 missing value\(s\)"),
        (pd.Series(["a", None], dtype="category"), r"items has 1 missing value\(s\)"),
        (pd.Series([1.0, np.nan]), r"items has 1 missing value\(s\)"),
        (pd.Series([1.0, 2.5]), r"items holds 2.5 as a floating-point number"),
        (pd.Series([2.0**53]), r"as a floating-point number, which is no exact id"),
        (pd.Series([np.inf]), r"items holds inf as"),
        ([1, "a"], r"items holds 1 of type int; all ids must be integers or all must be text"),
        (["a", 2], r"items holds 2 of type int"),
        (["a", 2.5], r"items holds 2.5 of type float"),
        ([b"a"], r"items holds b'a' of type bytes"),
        ([(1, 2)], r"items holds \(1, 2\) of type tuple"),
        ([True, False], r"items is boolean"),
        (pd.Series([True], dtype="boolean"), r"items is boolean"),
        (np.array([1, 2**63], dtype=np.uint64), r"items holds 9223372036854775808, beyond 64-bit"),
        ([2**70], r"items holds 1180591620717411303424"),
        (pd.Series([pd.Timestamp("2020-01-01")]), r"of type Timestamp"),
    ],
)
def test_what_is_no_id_is_refused(values: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        as_ids(values, "items")


FLOATS = [
    (lambda ids: np.array(ids, np.float16), 11),
    (lambda ids: np.array(ids, np.float32), 24),
    (lambda ids: pd.Series(ids, dtype="float32"), 24),
    (lambda ids: pd.Series(ids, dtype="Float32"), 24),
    (lambda ids: pd.Series(ids, dtype="float[pyarrow]"), 24),
    (lambda ids: pd.Series(np.array(ids, np.float32)).astype("category"), 24),
    (lambda ids: [np.float32(item) for item in ids], 24),
    (lambda ids: iter([float(ids[0]), *np.array(ids[1:], np.float32)]), 24),
    (lambda ids: pd.Series([np.float32(item) for item in ids], dtype=object), 24),
    (lambda ids: np.array(ids, np.float64), 53),
    (lambda ids: [float(item) for item in ids], 53),
    (lambda ids: np.array(ids, np.longdouble), 53),
]


@pytest.mark.parametrize(("make", "bits"), FLOATS)
def test_floats_are_ids_as_far_as_they_hold_whole_numbers_exactly(make: Any, bits: int) -> None:
    largest = 2**bits - 1
    assert as_ids(make([7, largest, -largest]), "items").tolist() == [7, largest, -largest]
    for beyond in (largest + 1, -largest - 1):
        with pytest.raises(DataError, match=f"no exact id .*below {2**bits:,} exactly"):
            as_ids(make([7, beyond]), "items")


def test_no_ids_are_fine() -> None:
    assert as_ids(pd.Series([], dtype=str), "items").tolist() == []
