import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import DataError
from gru4rec.frames.ids import as_ids

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


def test_ids_from_text_are_of_the_models_kind() -> None:
    assert Vocabulary(np.array([7])).from_text("-12") == -12
    assert Vocabulary(np.array(["7"], dtype=object)).from_text("-12") == "-12"
    for text in ("", "x7", "7.0", "1_0", " 7", "٣", "9" * 5000):
        with pytest.raises(DataError, match="the model knows its items by integers; '"):
            Vocabulary(np.array([7])).from_text(text)


def test_find_says_what_encode_says() -> None:
    integers, text = Vocabulary(np.array([7, -3])), Vocabulary(np.array(["a", "é"], dtype=object))
    for item in (7, -3, 8, np.int64(-3), 7.0, -(2**63), 2**63 - 1):
        assert integers.find(item) == integers.encode([item])[0]
    for item in ("a", "é", "b", "ö", ""):
        assert text.find(item) == text.encode([item])[0]
    for vocabulary, item in ((integers, 2**63), (integers, "a"), (text, 7), (integers, True)):
        with pytest.raises(DataError):
            vocabulary.find(item)


def test_a_vocabulary_is_pickled_with_its_ids_once() -> None:
    ids = np.arange(10_000) * 3
    assert len(pickle.dumps(Vocabulary(ids))) < 1.1 * ids.nbytes
