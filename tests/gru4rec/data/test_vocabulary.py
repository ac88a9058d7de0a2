from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.data.vocabulary import UNKNOWN, Vocabulary, as_ids
from gru4rec.errors import DataError

LARGEST = 2**63 - 1
INTEGERS = st.integers(-(2**63), LARGEST)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
LISTS_OF_IDS = st.lists(INTEGERS, min_size=1) | st.lists(TEXTS, min_size=1)


@given(LISTS_OF_IDS)
def test_ids_and_indices_are_one_to_one(items: list[Any]) -> None:
    vocabulary = Vocabulary.from_items(as_ids(items, "items"))

    indices = vocabulary.encode(items)

    assert vocabulary.decode(indices).tolist() == items
    assert [vocabulary.find(item) for item in items] == indices.tolist()
    assert len(vocabulary) == len(set(items))
    assert set(indices.tolist()) == set(range(len(vocabulary)))


@given(LISTS_OF_IDS)
def test_items_are_numbered_by_first_appearance(items: list[Any]) -> None:
    vocabulary = Vocabulary.from_items(as_ids(items, "items"))

    assert vocabulary.ids.tolist() == list(dict.fromkeys(items))


@given(st.lists(INTEGERS, min_size=1), st.lists(INTEGERS))
def test_extending_appends_the_unknown_ones(known: list[int], more: list[int]) -> None:
    vocabulary = Vocabulary.from_items(as_ids(known, "items"))

    extended = vocabulary.extended(more)

    assert extended.ids.tolist() == list(dict.fromkeys(known + more))


def test_large_ids_do_not_collide() -> None:
    # as 64-bit floats these are one number, as 32-bit integers so are the last two
    items = [LARGEST, LARGEST - 1, -LARGEST, 2**53, 2**53 + 1, 2**32 + 5, 5]

    vocabulary = Vocabulary.from_items(as_ids(items, "items"))

    assert vocabulary.encode(items).tolist() == list(range(7))


def test_unknown_items_have_no_index() -> None:
    vocabulary = Vocabulary.from_items(as_ids([7, 5], "items"))

    assert vocabulary.encode([5, 6, 7]).tolist() == [1, UNKNOWN, 0]
    assert vocabulary.encode([]).tolist() == []


@pytest.mark.parametrize("item", [99, True, 1.5, "10", None, 2**70])
def test_one_item_is_found_as_several_are(item: Any) -> None:
    vocabulary = Vocabulary.from_items(np.array([1, 10]))

    def outcome(look_up: Callable[[], Any]) -> Any:
        try:
            return look_up()
        except DataError as error:
            return str(error)

    found = outcome(lambda: vocabulary.find(item))

    assert found == outcome(lambda: vocabulary.encode([item])[0])


def test_text_that_looks_alike_stays_apart() -> None:
    items = ["1", "01", "1.0", " 1", "", "é", "e\u0301"]

    vocabulary = Vocabulary.from_items(as_ids(items, "items"))

    assert len(vocabulary) == 7
    assert vocabulary.holds_text


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
        with pytest.raises(DataError, match=rf"no exact id .*below 2\^{bits} exactly"):
            as_ids(make([7, beyond]), "items")


def test_no_ids_are_fine() -> None:
    assert as_ids(pd.Series([], dtype=str), "items").tolist() == []


def test_text_is_not_looked_up_among_integers() -> None:
    integers = Vocabulary.from_items(as_ids([1, 2], "items"))
    texts = Vocabulary.from_items(as_ids(["1", "2"], "items"))

    with pytest.raises(DataError, match=r"by integers, but text were given \(such as '1'\)"):
        integers.encode(["1"])
    with pytest.raises(DataError, match=r"by text, but integers were given \(such as 1\)"):
        texts.encode([1])
    with pytest.raises(DataError, match="by text, but integers"):
        texts.extended([1])


def test_an_id_has_one_index_only() -> None:
    with pytest.raises(DataError, match="item id 5 occurs twice"):
        Vocabulary(np.array([5, 6, 5]))
