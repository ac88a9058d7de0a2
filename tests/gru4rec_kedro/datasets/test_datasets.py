"""What holds for every dataset of the project."""

import copy
import pickle

import pytest
from kedro.io import AbstractDataset, DataCatalog

from gru4rec import ConfigError
from gru4rec_kedro import datasets
from gru4rec_kedro.running.entries import make_datasets

KINDS = {
    name: kind
    for name in datasets.__all__
    if isinstance(kind := getattr(datasets, name), type) and issubclass(kind, AbstractDataset)
}
del KINDS["SparkTableDataset"]  # which has no file
# which share files by locks
LOCAL = {"LocalFolderDataset", "StudyDataset"}


def place(name: str, path: str) -> dict[str, str]:
    return {"path" if name == "PartsDataset" else "filepath": path}


@pytest.mark.parametrize("name", KINDS)
def test_what_is_nowhere_is_refused_before_anything_is_made(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    refused = {"dbfs:/data": "files of Databricks", "s3:/data": "neither a path nor an address"}
    refused |= {"s3://shop/data": "is not on this machine"} if name in LOCAL else {}
    for address, message in refused.items():
        with pytest.raises(ConfigError, match=f"{address}.*{message}"):
            KINDS[name](**place(name, address))
        entry = {"type": f"gru4rec_kedro.datasets.{name}", **place(name, address)}
        with pytest.raises(ConfigError, match=rf"(?s)^catalog.yml: .*{address}.*{message}"):
            make_datasets(DataCatalog.from_config({"mine": entry}), ["mine"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", sorted(KINDS.keys() - LOCAL))
def test_an_address_is_taken_and_copied(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    options = {"token": "hunter2"}
    dataset = KINDS[name](**place(name, "memory:///data/a"), credentials=options)
    for other in (dataset, copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):  # noqa: S301
        assert not other.exists()
        assert "data/a" in str(other._describe())
        assert "hunter2" not in f"{other}{other._describe()}"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_local_path_is_taken_and_copied(tmp_path, name):
    dataset = KINDS[name](**place(name, str(tmp_path / "a:b")))
    for other in (dataset, copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):  # noqa: S301
        assert str(tmp_path / "a:b") in str(other._describe())
        assert other._init_args == dataset._init_args
