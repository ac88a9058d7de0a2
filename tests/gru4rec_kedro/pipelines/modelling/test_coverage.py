import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec_kedro.pipelines.modelling import coverage
from gru4rec_kedro.pipelines.modelling.coverage import count_recommendations


def log(sessions):
    rows = [
        (number, item, 10 * number + second)
        for number, items in enumerate(sessions)
        for second, item in enumerate(items)
    ]
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


@pytest.fixture(scope="module")
def gru():
    options = {"layers": [8], "n_sample": 8, "n_epochs": 20, "learning_rate": 0.2, "batch_size": 4}
    sessions = [["a", "b", "c", "d"]] * 8 + [["b", "c", "e"]] * 2
    return GRU4Rec(**options, device="cpu").fit(log(sessions))


def test_items_are_told_most_popular_first(gru):
    items, _ = count_recommendations(gru, log([["a", "b"]]))
    assert items["ItemId"].tolist()[:2] == ["b", "c"]
    assert items["training_events"].tolist() == [10, 10, 8, 8, 2]
    assert items["place"].tolist() == [1, 2, 3, 4, 5]


def test_counts_the_best_items_after_each_event_but_the_last(gru, monkeypatch):
    monkeypatch.setattr(coverage, "K", 1)
    # "?" is unknown, and a session of one event has no next item
    part = log([["a", "b", "?", "c"], ["b"], ["d", "b"]]).sample(frac=1, random_state=1)
    items, n_events = count_recommendations(gru, part)
    expected = gru.recommend([["a"], ["a", "b"], ["d"]], k=1)["item"].value_counts()
    counted = items.set_index("ItemId")["recommended"]
    assert n_events == 3
    assert counted[counted > 0].to_dict() == expected.to_dict()


def test_large_parts_are_sampled_the_same_way_each_time(gru, monkeypatch):
    monkeypatch.setattr(coverage, "_MOST_EVENTS", 7)
    part = log([["a", "b", "c", "d"]] * 50)
    first, n_events = count_recommendations(gru, part)
    assert n_events == 7
    assert first["recommended"].sum() == 7 * 5  # a catalogue of five items
    pd.testing.assert_frame_equal(first, count_recommendations(gru, part)[0])
