import pandas as pd
import pytest

from gru4rec import EvaluationConfig, confidence_intervals
from gru4rec_kedro.pipelines.modelling.breakdowns import break_down, popularity_shares

# session 1 has three targets, sessions 2 and 3 one each
RANKED = pd.DataFrame(
    {
        "SessionId": [1, 1, 1, 2, 3],
        "position": [1, 2, 3, 1, 1],
        "ItemId": ["<a>", "b", "c", "<a>", "d"],
        "rank": [1.0, 2.0, 9.0, 4.0, 1.0],
    }
)
ITEMS = pd.DataFrame(
    {
        "ItemId": ["<a>", "b", "c", "d"],
        "training_events": [50, 30, 15, 5],
        "place": [1, 2, 3, 4],
        "recommended": [6, 2, 0, 0],
    }
)
EVALUATION = EvaluationConfig(cutoff=[1, 4])


@pytest.fixture
def table():
    return break_down(RANKED, ITEMS, EVALUATION)


def groups(table, by):
    return table[table["by"] == by].set_index("group")


def test_by_position(table):
    measured = groups(table, "position")
    assert measured["targets"].to_dict() == {"1": 3, "2": 1, "3": 1}
    assert measured["recall"].to_dict() == {"1": 1, "2": 1, "3": 0}
    assert measured["mrr"].to_dict() == pytest.approx(
        {"1": 1 / 3 * (1 + 1 / 4 + 1), "2": 1 / 2, "3": 0}
    )
    assert set(table["k"]) == {4}


def test_by_session_length(table):
    measured = groups(table, "session_length")
    assert measured["targets"].to_dict() == {"2": 2, "4": 3}
    assert measured["recall"].to_dict() == pytest.approx({"2": 1, "4": 2 / 3})


def test_by_item_popularity(table):
    measured = groups(table, "item_popularity")
    # with four items a group is a quarter of the catalogue or more
    assert measured["targets"].to_dict() == {"to 50 %": 3, "rest": 2}
    assert measured["recall"].to_dict() == {"to 50 %": 1, "rest": 1 / 2}


def test_numbers_beyond_the_last_group_are_together():
    long = pd.DataFrame(
        {"SessionId": 1, "position": range(1, 31), "ItemId": "b", "rank": [float(1)] * 30}
    )
    table = break_down(long, ITEMS, EVALUATION)
    assert groups(table, "position")["targets"].to_dict() == {
        "1": 1,
        "2": 1,
        "3": 1,
        "4": 1,
        "5": 1,
        "6–10": 5,
        "11–20": 10,
        "21+": 10,
    }
    assert groups(table, "session_length")["targets"].to_dict() == {"21–50": 30}


def test_intervals_are_those_of_the_group(table):
    group = RANKED[RANKED["position"] == 1]
    recall, mrr = confidence_intervals(group["SessionId"], group["rank"], 4)
    row = groups(table, "position").loc["1"]
    assert (row["recall_low"], row["recall_high"]) == recall[4]
    assert (row["mrr_low"], row["mrr_high"]) == mrr[4]


def test_one_session_has_no_interval(table):
    row = groups(table, "position").loc["2"]
    assert row[["recall_low", "recall_high", "mrr_low", "mrr_high"]].isna().all()


def test_shares_of_the_popularity_groups(table):
    shares = popularity_shares(ITEMS, table).set_index("group")
    assert shares.loc["to 50 %"].to_dict() == {
        "items": 1 / 2,
        "training_events": 0.8,
        "targets": 3 / 5,
        "recommended": 1,
    }
    assert shares.loc["rest"].to_dict() == {
        "items": 1 / 2,
        "training_events": 0.2,
        "targets": 2 / 5,
        "recommended": 0,
    }
