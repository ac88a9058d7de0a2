import numpy as np
import pandas as pd
import pytest

from gru4rec import DataError, GRU4Rec, rank_events
from gru4rec.baselines import Popularity
from gru4rec.evaluation import compare, measure, rank_shared

INFINITY = float("inf")


def events(sessions):
    rows = [(number, item) for number, items in enumerate(sessions) for item in items]
    log = pd.DataFrame(rows, columns=["SessionId", "ItemId"])
    return log.assign(Time=np.arange(len(log)))


@pytest.fixture
def popularity():
    """Knows items 1, 2 and 3, and ranks item i at place i."""
    return Popularity().fit(events([[1, 2, 3], [1, 2], [1]]))


@pytest.mark.parametrize(
    ("session", "ranks"),
    [
        ([1, 2, 3], [2, 3]),
        ([1, 9, 3], [INFINITY, 3]),  # the target 9 is missed, and 3 is ranked after 1
        ([9, 2, 3], [INFINITY, 3]),  # before 2 it knows nothing of the session
        ([9, 9, 9], [INFINITY, INFINITY]),
        ([1, 7, 2], [2]),  # nobody knew 7: it is no target
        ([7, 1, 2], [2]),
    ],
)
def test_what_the_model_cannot_rank_is_missed(popularity, session, ranks):
    ranked = rank_shared(popularity, events([session]), np.array([1, 2, 3, 9]))
    assert ranked.ranks.tolist() == ranks
    assert ranked.positions.tolist() == list(range(1, len(ranks) + 1))
    assert (ranked.n_events, ranked.n_unknown) == (3, session.count(7))


def test_models_with_other_items_have_the_same_rows(popularity):
    other = Popularity().fit(events([[9, 2], [9]]))
    log = events([[1, 9, 2, 3], [9, 2], [7, 7]])
    ours, theirs = (rank_shared(m, log, np.array([1, 2, 3, 9])) for m in (popularity, other))
    rows = ["SessionId", "position", "ItemId"]
    pd.testing.assert_frame_equal(ours.to_frame()[rows], theirs.to_frame()[rows])
    assert ours.items.tolist() == [9, 2, 3, 2]
    assert ours.ranks.tolist() == [INFINITY, 2, 3, INFINITY]
    assert theirs.ranks.tolist() == [INFINITY, 2, INFINITY, 2]
    # a missed target is worth nothing, and intervals and tests take it as any other
    assert measure(ours.sessions, ours.ranks, 20)["mrr"].tolist() == [(1 / 2 + 1 / 3) / 4]
    ahead = compare(ours.sessions, ours.ranks, theirs.ranks, 20)
    assert ahead["mrr_ahead"].tolist() == pytest.approx([(1 / 3 - 1 / 2) / 4])


def test_a_model_that_knows_all_ranks_as_ever(make_random_sessions):
    log = events(make_random_sessions(40, 30))
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=16, batch_size=8).fit(log)
    for model in (gru, Popularity().fit(log)):
        expected = rank_events(model, log).to_frame()
        shared = rank_shared(model, log, model.vocabulary.ids)
        pd.testing.assert_frame_equal(shared.to_frame(), expected)


def test_items_may_be_text():
    log = events([["a", "b", "c"]])
    ranked = rank_shared(Popularity().fit(log), log, np.array(["a", "c"], dtype=object))
    assert ranked.items.tolist() == ["c"]


def test_without_targets_there_is_nothing_to_evaluate(popularity):
    with pytest.raises(DataError, match="of 3 events, 2 are on other items than the 1 given ones"):
        rank_shared(popularity, events([[1, 2], [2]]), np.array([1]))
