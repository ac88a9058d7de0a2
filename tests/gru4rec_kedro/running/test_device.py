from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from gru4rec_kedro.datasets import GRU4RecDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running.device import DeviceHooks

PROJECT = Path(__file__).parents[3]
EMPTY = DataCatalog({})


def test_the_model_is_loaded_onto_the_device_of_the_parameters():
    bootstrap_project(PROJECT)
    device = {"model": {"device": "cuda:99"}}
    with KedroSession.create(PROJECT, env="test", runtime_params=device) as session:
        assert session.load_context().catalog.get("model").device == "cuda:99"


def test_a_device_in_the_catalog_wins():
    catalog = DataCatalog({"model": GRU4RecDataset(filepath="gru.pth", device="cpu")})
    DeviceHooks().after_catalog_created(catalog, {"parameters": {"model": {"device": "cuda:99"}}})
    assert catalog.get("model").device == "cpu"


def test_a_catalog_without_a_model_stays_as_it_is():
    DeviceHooks().after_catalog_created(EMPTY, {"parameters": {}})
    assert list(EMPTY) == []


def test_an_entry_that_is_wrong_is_one_message():
    entries = {"model": {"type": "gru4rec_kedro.datasets.NoDataset"}}
    with pytest.raises(RunError, match=r"(?s)^catalog\.yml: .*NoDataset"):
        DeviceHooks().after_catalog_created(DataCatalog.from_config(entries), {})
