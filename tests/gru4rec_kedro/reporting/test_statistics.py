import pandas as pd

from gru4rec import LoadingConfig
from gru4rec_kedro.datasets import EventsDataset
from gru4rec_kedro.reporting.statistics import (
    describe_log,
    plot_item_popularity,
    plot_session_lengths,
)

# sessions of 2, 2 and 3 events; item 1 four times, item 2 twice, item 3 once
EVENTS = pd.DataFrame(
    {
        "SessionId": [1, 1, 2, 2, 3, 3, 3],
        "ItemId": [1, 2, 1, 2, 1, 3, 1],
        "Time": [1, 2, 3, 4, 5, 6, 7],
    }
)


def as_table(tmp_path):
    dataset = EventsDataset(filepath=str(tmp_path / "events.parquet"))
    dataset.save(EVENTS)
    return dataset.load()


def test_session_lengths(tmp_path):
    (bars,) = plot_session_lengths(as_table(tmp_path)).data
    assert dict(zip(bars.x, bars.y, strict=True)) == {2: 2, 3: 1}


def test_item_popularity(tmp_path):
    (curve,) = plot_item_popularity(as_table(tmp_path)).data
    assert dict(zip(curve.x, curve.y, strict=True)) == {1: 4, 2: 2, 3: 1}


def test_times_that_are_no_clock_have_no_dates(tmp_path):
    later = as_table(tmp_path).mutate(Time=lambda table: table["Time"] + 1_500_000_000)
    dated = describe_log(*[later] * 4, LoadingConfig(time_unit="s"))
    assert dated["first_date"].tolist() == ["2017-07-14T02:40:01+00:00"] * 4
    ordinal = describe_log(*[later] * 4, LoadingConfig(time_unit="ordinal"))
    assert ordinal["last_date"].tolist() == [""] * 4
    assert ordinal["last_time"].tolist() == [1_500_000_007] * 4
