import json

import pytest
from kedro.io import DatasetError, Version

from gru4rec_kedro.datasets import JSONDataset, MetricsHistoryDataset


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "metrics.json"
    for version, recall in (("2026-01-01T00.00.00.000Z", 0.1), ("2026-01-02T00.00.00.000Z", 0.2)):
        dataset = JSONDataset(filepath=str(path), version=Version(None, version))
        dataset.save({"recall@20": recall, "model": {"layers": [4]}})
    return path


def test_versions_come_oldest_first(path):
    history = MetricsHistoryDataset(filepath=str(path)).load()
    assert [metrics["recall@20"] for metrics in history.values()] == [0.1, 0.2]
    assert list(history) == ["2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"]


@pytest.mark.parametrize("content", ["", '{"recall@20": 0.', "[1]", "\udcff"])
def test_a_damaged_file_is_named_and_left_out(path, caplog, content):
    damaged = path / "2026-01-03T00.00.00.000Z" / path.name
    damaged.parent.mkdir()
    damaged.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert len(MetricsHistoryDataset(filepath=str(path)).load()) == 2
    assert f"{damaged} is left out of the comparison" in caplog.text


def test_before_the_first_version_there_is_none(tmp_path):
    dataset = MetricsHistoryDataset(filepath=str(tmp_path / "metrics.json"))
    assert dataset.load() == {}
    assert not dataset.exists()


def test_is_read_only(path):
    with pytest.raises(DatasetError, match="only read here"):
        MetricsHistoryDataset(filepath=str(path)).save({})


def test_preview_is_a_table_of_the_newest(path):
    preview = MetricsHistoryDataset(filepath=str(path)).preview(nrows=1)
    assert json.loads(json.dumps(preview)) == {
        "columns": ["version", "recall@20"],
        "index": [0],
        "data": [["2026-01-02T00.00.00.000Z", 0.2]],
    }
