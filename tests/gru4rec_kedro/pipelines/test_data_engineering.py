import pandas as pd

from gru4rec_kedro.datasets import EventsDataset
from gru4rec_kedro.pipelines.data_engineering.nodes import (
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
