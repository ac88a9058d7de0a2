import json
import os
import time

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


@pytest.mark.parametrize("load_as", ["frame", "table"])
def test_the_name_of_a_folder_is_no_column(tmp_path, load_as):
    dataset = EventsDataset(filepath=f"{tmp_path}/lr=0.1/events.parquet", load_as=load_as)
    dataset.save(FRAME)
    assert [*dataset.load().columns] == [*FRAME.columns]


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


@pytest.fixture
def spark_folder(tmp_path):
    """A folder as Spark leaves it."""
    folder = tmp_path / "events.parquet"
    folder.mkdir()
    for name in ("part-00000.parquet", "part-00001.parquet"):
        FRAME.to_parquet(folder / name)
    (folder / "_SUCCESS").touch()
    return folder


def test_a_file_takes_the_place_of_a_folder_that_it_is_made_of(path, spark_folder, tmp_path):
    left = [tmp_path / f"{dots}events.parquet.{'0' * 32}" for dots in (".", ".x.")]
    for folder in left:
        (folder / "inside").mkdir(parents=True)
        os.utime(folder, (time.time() - 25 * 60 * 60,) * 2)
    dataset = EventsDataset(filepath=path)
    table = dataset.load()
    dataset.save(table.filter(table.Time > 1))
    assert dataset.load().to_pandas().ItemId.tolist() == ["ü", "ü"]
    assert sorted(os.listdir(tmp_path)) == [left[1].name, "events.parquet"]


def test_until_a_file_takes_its_place_a_folder_is_there(path, spark_folder, tmp_path, monkeypatch):
    seen = []

    def fail(*_, **__):
        seen.extend(path.name for path in spark_folder.iterdir())
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", fail)
    with pytest.raises(DatasetError, match="no space left"):
        EventsDataset(filepath=path).save(FRAME)
    assert len(seen) == 3
    assert os.listdir(tmp_path) == ["events.parquet"]


def test_a_link_to_a_folder_goes_and_the_folder_stays(path, spark_folder, tmp_path):
    spark_folder.rename(tmp_path / "elsewhere")
    spark_folder.symlink_to("elsewhere")
    EventsDataset(filepath=path).save(FRAME)
    assert sorted(os.listdir(tmp_path)) == ["elsewhere", "events.parquet"]
    assert EventsDataset(filepath=path).load().count().execute() == 2
    assert len(os.listdir(tmp_path / "elsewhere")) == 3


@pytest.mark.parametrize("lacking", ["_SUCCESS", "part-*.parquet"])
@pytest.mark.parametrize("load_as", ["frame", "table"])
def test_a_folder_that_is_not_complete_is_refused(path, spark_folder, lacking, load_as):
    dataset = EventsDataset(filepath=path, load_as=load_as)
    assert len(dataset.load().ItemId.to_list()) == 4
    for file in spark_folder.glob(lacking):
        file.unlink()
    with pytest.raises(DatasetError, match=r"events.parquet is a folder, but not .* remove it"):
        dataset.load()
