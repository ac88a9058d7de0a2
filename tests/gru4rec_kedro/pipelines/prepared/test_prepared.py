import ibis.expr.types as ir
import pandas as pd
import pytest

from gru4rec import DataError, SessionFilterConfig, filter_sessions, read_log
from gru4rec_kedro.pipelines.prepared.nodes import load_prepared

PART = pd.DataFrame({"SessionId": [7, 7], "ItemId": [1, 2], "Time": [0, 1000], "Other": ["a", "b"]})


@pytest.fixture
def load(tmp_path):
    """Loads four parts that are alike but for the one named."""

    def load_parts(name: str = "test", part: pd.DataFrame = PART) -> tuple[ir.Table, ...]:
        tables = []
        for place, other in enumerate(("train_tr", "train_valid", "test", "train_full")):
            path = tmp_path / f"{other}{place}.parquet"
            (part if other == name else PART).to_parquet(path)
            tables.append(read_log(path))
        return load_prepared(*tables)

    return load_parts


def test_parts_are_taken_as_they_are_whatever_their_times_count(load):
    newer = PART.assign(SessionId=8, Time=[2**40, 2**40 + 1])
    *parts, report = load("train_valid", newer)
    for part, expected in zip(parts, (PART, newer, PART, PART), strict=True):
        frame = part.to_pandas()
        pd.testing.assert_frame_equal(frame, expected.drop(columns="Other"))
    assert report.empty


@pytest.mark.parametrize("as_text", [False, True])
def test_times_may_be_dates(load, as_text):
    dates = pd.Series(pd.to_datetime(["2024-05-01 10:00:00", "2024-05-01 10:00:07"]))
    test = load("test", PART.assign(Time=dates.astype(str) if as_text else dates))[2].to_pandas()
    assert test["Time"].diff().tolist()[1:] == [7]


def test_nothing_dropped_has_the_columns_of_what_was(load):
    _, expected = filter_sessions(
        PART[["SessionId", "ItemId", "Time"]], SessionFilterConfig(min_item_support=1)
    )
    assert load()[-1].columns.tolist() == expected.drop(columns="round").columns.tolist()


@pytest.mark.parametrize(
    ("part", "message"),
    [
        (PART.rename(columns={"Time": "ts"}), r"part test lacks the column 'Time'; it has .*ts"),
        (PART.head(0), "part test: The log is empty"),
        (PART.assign(ItemId=[1.0, None]), "part test: Missing values.*'ItemId' has 1"),
        (PART.assign(Time=["a", "b"]), "part test: The time column 'Time' has 2 values"),
        (PART.assign(ItemId=["1", "2"]), "ItemId is not of one kind .*string in test"),
    ],
    ids=["column", "empty", "missing", "no time", "kinds"],
)
def test_refuses_a_part_that_cannot_be_used(load, part, message):
    with pytest.raises(DataError, match=message):
        load("test", part)
