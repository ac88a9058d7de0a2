import json

import pandas as pd
import pytest
from kedro.io import DatasetError

from gru4rec.preparation import local_connection
from gru4rec_kedro.datasets import EventsDataset
from gru4rec_kedro.datasets.events import json_table

FRAME = pd.DataFrame({"SessionId": [1, 2**63 - 1], "ItemId": ["a", "ü"], "Time": [0.5, 2.0]})


@pytest.fixture
def path(tmp_path):
    return str(tmp_path / "events.parquet")


def test_saves_and_loads_frames_and_tables(path):
    as_frame, as_table = EventsDataset(filepath=path, load_as="frame"), EventsDataset(filepath=path)
    as_frame.save(FRAME)
    pd.testing.assert_frame_equal(as_frame.load(), FRAME)
    table = as_table.load()
    pd.testing.assert_frame_equal(table.to_pandas(), FRAME)
    as_table.save(table.filter(table["Time"] > 1))
    pd.testing.assert_frame_equal(as_frame.load(), FRAME.iloc[1:].reset_index(drop=True))


def test_table_is_on_the_connection_that_all_nodes_share(path):
    dataset = EventsDataset(filepath=path)
    dataset.save(FRAME)
    assert dataset.load().get_backend() is local_connection()
    limited = EventsDataset(filepath=path, memory_limit="64MB").load()
    assert limited.get_backend() is local_connection("64MB")


def test_preview_is_plain_json(path):
    dataset = EventsDataset(filepath=path)
    dataset.save(FRAME)
    preview = json.loads(json.dumps(dataset.preview(nrows=1)))
    assert preview == {
        "index": [0],
        "columns": ["SessionId", "ItemId", "Time"],
        "data": [[1, "a", 0.5]],
    }


def test_previews_timestamps_as_text():
    frame = pd.DataFrame({"t": pd.to_datetime(["2020-01-02"])})
    assert json_table(frame)["data"] == [["2020-01-02 00:00:00"]]


def test_names_a_wrong_option(path):
    with pytest.raises(ValueError, match="load_as is 'pandas'"):
        EventsDataset(filepath=path, load_as="pandas")


def test_missing_file_is_an_error(path):
    assert not EventsDataset(filepath=path).exists()
    with pytest.raises(DatasetError, match=r"events\.parquet"):
        EventsDataset(filepath=path).load()
