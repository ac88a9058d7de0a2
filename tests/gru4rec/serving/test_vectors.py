"""Inner products of vectors are the scores."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec import DataError, GRU4Rec, recommender

MODES = {
    "shared": {},
    "separate": {"constrained_embedding": False, "embedding": 5},
    "none, bpr-max": {"constrained_embedding": False, "loss": "bpr-max"},
}


@pytest.fixture(scope="module", params=MODES)
def gru(request: pytest.FixtureRequest) -> GRU4Rec:
    rng = np.random.default_rng(0)
    log = {"SessionId": np.arange(240) // 4, "ItemId": 100 + rng.permutation(240) % 30}
    events = pd.DataFrame({**log, "Time": np.arange(240)})
    options = {"layers": [6, 4], "n_sample": 8, "n_epochs": 2, "device": "cpu"}
    return GRU4Rec(**{**options, **MODES[request.param]}).fit(events)


SESSIONS: dict[Any, list[int]] = {
    "long": [100, 103, 100, 129] * 50,
    "empty": [],
    "unknown": [7, 8],
    "some unknown": [101, 7, 102],
    "one": [104],
}


@pytest.mark.parametrize("at_a_time", [2, 4096])
def test_inner_products_are_the_scores(
    gru: GRU4Rec, at_a_time: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(recommender, "_SESSIONS_AT_A_TIME", at_a_time)
    items, sessions = gru.item_vectors(), gru.session_vectors(SESSIONS)

    assert items["item"].tolist() == gru.vocabulary.ids.tolist()
    assert sessions["session"].tolist() == list(SESSIONS)
    assert "3 of 206 items in the sessions are unknown" in caplog.text
    for vector in (*items["vector"], *sessions["vector"]):
        assert (vector.dtype, vector.shape) == (np.float32, (5,))
    assert {vector[-1] for vector in sessions["vector"]} == {1}
    products = np.stack(sessions["vector"]) @ np.stack(items["vector"]).T
    wanted = gru.recommend(SESSIONS, k=30)
    at = gru.vocabulary.encode(wanted["item"]).reshape(5, 30)
    scores = wanted["score"].to_numpy().reshape(5, 30)
    np.testing.assert_allclose(np.take_along_axis(products, at, axis=1), scores, atol=1e-6)


def test_a_session_without_a_known_item_is_scored_by_the_biases(gru: GRU4Rec) -> None:
    for vector in gru.session_vectors([[], [7]])["vector"]:
        assert vector.tolist() == [0, 0, 0, 0, 1]


def test_some_items_are_in_the_order_asked_for(gru: GRU4Rec) -> None:
    whole = dict(gru.item_vectors().itertuples(index=False))
    some = gru.item_vectors(pd.Series([105, 101, 105]))
    assert some["item"].tolist() == [105, 101, 105]
    assert all(np.array_equal(vector, whole[i]) for i, vector in some.itertuples(index=False))
    assert list(gru.item_vectors([]).columns) == ["item", "vector"]
    assert len(gru.item_vectors([])) == len(gru.session_vectors([])) == 0


@pytest.mark.parametrize(
    ("items", "message"),
    [([101, 7, 8], "2 of the 3 items: 7, 8"), ("101", "collection"), (["x"], "by integers")],
)
def test_unknown_items_have_no_vector(gru: GRU4Rec, items: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        gru.item_vectors(items)


def test_vectors_are_copies(gru: GRU4Rec) -> None:
    before = gru.network.tables["output"].clone()
    for vector in gru.item_vectors()["vector"]:
        vector.fill(9)
    assert gru.network.tables["output"].equal(before)
