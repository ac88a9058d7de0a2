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
ADDRESSES = ["s3://shop/data", "memory://data", "file:///data", "dbfs:/data", "https://x.org/data"]


def place(name: str, path: str) -> dict[str, str]:
    return {"path" if name == "PartsDataset" else "filepath": path}


@pytest.mark.parametrize("name", KINDS)
def test_an_address_is_refused_before_anything_is_made(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    for address in ADDRESSES:
        with pytest.raises(ConfigError, match=f"{address} is no local path, and only local paths"):
            KINDS[name](**place(name, address))
        entry = {"type": f"gru4rec_kedro.datasets.{name}", **place(name, address)}
        with pytest.raises(ConfigError, match=rf"(?s)^catalog.yml: .*{address} is no local path"):
            make_datasets(DataCatalog.from_config({"mine": entry}), ["mine"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", KINDS)
def test_a_local_path_is_taken_and_copied(tmp_path, name):
    dataset = KINDS[name](**place(name, str(tmp_path / "a:b")))
    for other in (dataset, copy.deepcopy(dataset), pickle.loads(pickle.dumps(dataset))):  # noqa: S301
        assert str(tmp_path / "a:b") in str(other._describe())
        assert other._init_args == dataset._init_args
