import json
import os

import pandas as pd
import plotly.graph_objects as go
import pytest
from kedro.io import DatasetError, Version

from gru4rec import ConfigError
from gru4rec_kedro.datasets import (
    CheckpointDataset,
    CSVDataset,
    EventsDataset,
    JSONDataset,
    ModelPlaceDataset,
    ParquetDataset,
    PartsDataset,
    PlotlyDataset,
    TextDataset,
)
from gru4rec_kedro.errors import UnwritableError

FRAME = pd.DataFrame({"SessionId": [1, 1], "ItemId": [2, 3], "Time": [4, 5]})
CASES = [
    (JSONDataset, {"a": 1}),
    (CSVDataset, FRAME),
    (ParquetDataset, FRAME),
    (EventsDataset, FRAME),
    (PlotlyDataset, go.Figure()),
    (TextDataset, "text"),
]


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_writes_the_file_and_nothing_beside_it(tmp_path, kind, data):
    dataset = kind(filepath=str(tmp_path / "folder" / "file"))
    dataset.save(data)
    assert os.listdir(tmp_path / "folder") == ["file"]
    assert dataset.exists()


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_keeps_what_was_there_when_writing_fails(tmp_path, kind, data, monkeypatch):
    dataset = kind(filepath=str(tmp_path / "file"))
    dataset.save(data)
    before = (tmp_path / "file").read_bytes()

    def fail(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr("gru4rec.files.os.replace", fail)
    with pytest.raises(DatasetError, match="no space left"):
        dataset.save(data)
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == before


def test_keeps_what_was_there_when_the_writer_dies_half_way(tmp_path):
    dataset = JSONDataset(filepath=str(tmp_path / "file"))
    dataset.save({"a": 1})
    with pytest.raises(DatasetError, match="not JSON serializable"):
        dataset.save({"a": 2, "b": object()})
    assert os.listdir(tmp_path) == ["file"]
    assert dataset.load() == {"a": 1}


def test_versions_are_whole_too(tmp_path):
    for number in ("1", "2"):
        dataset = JSONDataset(filepath=str(tmp_path / "m.json"), version=Version(None, number))
        dataset.save({"number": number})
    assert json.loads((tmp_path / "m.json/1/m.json").read_text()) == {"number": "1"}
    latest = JSONDataset(filepath=str(tmp_path / "m.json"), version=Version(None, None))
    assert latest.load() == {"number": "2"}
    with pytest.raises(DatasetError, match="must not exist"):
        dataset.save({"number": "again"})


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_a_run_loads_the_version_that_it_saved_itself(tmp_path, kind, data):
    def version(load, save):
        return kind(filepath=str(tmp_path / "file"), version=Version(load, save))

    own, other = version(None, "2026"), version(None, "2027")
    own.save(data)
    other.save(data)  # another run, in the meantime
    assert own.resolve_load_version() == "2026"
    own.release()  # as Kedro does when no node needs it any more
    assert own.resolve_load_version() == "2026"
    assert version(None, "2026").resolve_load_version() == "2026"  # a process of this run
    assert version("2027", "2026").resolve_load_version() == "2027"  # --load-versions
    assert version(None, "2028").resolve_load_version() == "2027"  # what saves none: the newest


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_a_path_that_cannot_be_written_is_named(tmp_path, kind, data):
    (tmp_path / "taken").write_text("a file where a folder is needed")
    dataset = kind(filepath=str(tmp_path / "taken" / "file"))
    with pytest.raises(UnwritableError, match=r"cannot write .*taken/file: .*check the path"):
        dataset.save(data)


@pytest.mark.parametrize(("kind", "data"), CASES)
def test_a_folder_in_the_place_of_the_file_is_named(tmp_path, kind, data):
    (tmp_path / "file").mkdir()
    with pytest.raises(UnwritableError, match=r"cannot write .*file: "):
        kind(filepath=str(tmp_path / "file")).save(data)
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("filepath", ["~/report.html", "memory://a/report.html"])
def test_what_kedro_reads_otherwise_is_refused(filepath):
    with pytest.raises(ConfigError, match=f"^{filepath}: write "):
        TextDataset(filepath=filepath)


@pytest.mark.parametrize(
    "kind", [*(kind for kind, _ in CASES), PartsDataset, CheckpointDataset, ModelPlaceDataset]
)
def test_what_cannot_be_written_there_is_refused_before_anything_runs(kind):
    place = {"path" if kind is PartsDataset else "filepath": "https://x.org/file?sig=hunter2"}
    with pytest.raises(ConfigError, match=r"^https://x.org/file: files at https:// are only read"):
        kind(**place)
