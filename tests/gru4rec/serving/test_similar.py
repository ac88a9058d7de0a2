"""Similar items are those with the highest cosine."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import DataError, GRU4Rec
from gru4rec.serving import similar


@pytest.fixture
def gru() -> GRU4Rec:
    """Items 10, 11, … whose output embeddings are 2 wide and given."""
    log = pd.DataFrame({"SessionId": 1, "ItemId": [10, 11, 12, 13, 14, 15], "Time": range(6)})
    gru = GRU4Rec(layers=[2], n_sample=4, n_epochs=1, device="cpu").fit(log)
    rows = [[3, 4], [0, 5], [6, 8], [-3, -4], [4, 3], [0, 0]]
    gru.network.tables["output"].copy_(torch.tensor(rows))
    return gru


def test_the_highest_cosines_come_first_and_the_item_itself_never(gru: GRU4Rec) -> None:
    found = gru.similar_items(10)
    assert found["rank"].tolist() == [1, 2, 3, 4, 5]
    assert found["item"].tolist() == [12, 14, 11, 15, 13]
    # (3, 4) · (4, 3) / 25, (3, 4) · (0, 5) / 25, and zeros are like nothing
    assert found["score"].tolist() == pytest.approx([1, 24 / 25, 4 / 5, 0, -1])
    assert gru.similar_items(10, k=2)["item"].tolist() == [12, 14]
    assert gru.similar_items(15)["score"].tolist() == [0] * 5


def test_equal_ones_are_in_the_order_of_the_items(gru: GRU4Rec) -> None:
    gru.network.tables["output"].copy_(torch.ones(6, 2))
    assert gru.similar_items(12, k=3)["item"].tolist() == [10, 11, 13]


def test_several_items_are_answered_one_after_the_other(gru: GRU4Rec) -> None:
    found = gru.similar_items([14, 10, 14], k=2)
    assert list(found.columns) == ["similar_to", "rank", "item", "score"]
    assert found["similar_to"].tolist() == [14, 14, 10, 10, 14, 14]
    assert found["rank"].tolist() == [1, 2] * 3
    for item in (10, 14):
        one = found[found["similar_to"] == item].head(2).drop(columns="similar_to")
        pd.testing.assert_frame_equal(one.reset_index(drop=True), gru.similar_items(item, k=2))
    assert len(gru.similar_items([])) == 0


@pytest.mark.parametrize("made_before", [False, True])
def test_only_candidates_are_found(gru: GRU4Rec, made_before: bool) -> None:
    candidates: Any = [15, 10, 13, 12]
    if made_before:
        candidates = gru.shortlist(candidates)
    found = gru.similar_items(10, candidates=candidates)
    assert found["item"].tolist() == [12, 15, 13]
    assert gru.similar_items(14, k=1, candidates=candidates)["item"].tolist() == [10]
    assert len(gru.similar_items(10, candidates=[10])) == 0
    with pytest.raises(DataError, match="none of the 1 candidates"):
        gru.similar_items(10, candidates=[99])


def test_corrected_cosines_do_not_grow_with_popularity(gru: GRU4Rec) -> None:
    # cosines to item 10, itself included, and log₂ of the counts: the slope of the line is
    # Σ (log − 1)·cosine / Σ (log − 1)² = (1 + 1 − 24/25) / 4
    gru._fitted().counts = torch.tensor([4, 2, 4, 2, 1, 1])
    slope = (1 + 1 - 24 / 25) / 4
    expected = {12: 1 - slope, 11: 4 / 5, 13: -1, 14: 24 / 25 + slope, 15: slope}
    found = gru.similar_items(10, popularity_corrected=True)
    assert found["item"].tolist() == sorted(expected, key=lambda item: -expected[item])
    assert found.set_index("item")["score"].to_dict() == pytest.approx(expected)
    few = gru.similar_items(10, candidates=[15, 13], popularity_corrected=True)
    assert few["score"].tolist() == pytest.approx([slope, -1])
    gru._fitted().counts = torch.full((6,), 3)  # nothing to correct by
    pd.testing.assert_frame_equal(
        gru.similar_items(10, popularity_corrected=True), gru.similar_items(10)
    )


def test_many_items_are_answered_in_blocks(gru: GRU4Rec, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = gru.similar_items(gru.vocabulary.ids)
    monkeypatch.setattr(similar, "_BLOCK", 12)
    pd.testing.assert_frame_equal(gru.similar_items(gru.vocabulary.ids), whole)


def test_a_model_of_one_item_has_none_similar() -> None:
    log = pd.DataFrame({"SessionId": 1, "ItemId": [7, 7], "Time": [1, 2]})
    gru = GRU4Rec(layers=[2], n_sample=4, n_epochs=1, device="cpu").fit(log)
    assert list(gru.similar_items(7).columns) == ["rank", "item", "score"]
    assert len(gru.similar_items(7)) == 0


@pytest.mark.parametrize(
    ("item", "k", "message"),
    [
        (99, 3, "does not know the item 99$"),
        ([10, 98, 99, 98], 3, "does not know 3 of the 4 items: 98, 99$"),
        ("10", 3, "knows its items by integers"),
        (10, 0, "k is 0"),
    ],
)
def test_mistakes_are_told(gru: GRU4Rec, item: object, k: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        gru.similar_items(item, k)


def test_the_model_is_only_read(gru: GRU4Rec) -> None:
    digest = gru.digest
    gru.similar_items(10)
    gru._digest = None
    assert gru.digest == digest
    assert np.isfinite(gru.recommend([[10]])["score"]).all()
