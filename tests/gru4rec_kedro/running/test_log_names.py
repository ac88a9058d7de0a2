from pathlib import Path

import pytest
from kedro.io import DataCatalog

from gru4rec_kedro.running.log_names import LogNameHooks


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        (str(Path.cwd() / "data/clicks.csv"), "data/clicks.csv"),
        ("/elsewhere/clicks.csv", "/elsewhere/clicks.csv"),
        ("/data/me@x/clicks.csv", "/data/me@x/clicks.csv"),
        ("https://me:secret@x.test/clicks.csv", "https://…@x.test/clicks.csv"),
    ],
)
def test_nodes_are_told_the_path_of_the_log(path, shown):
    catalog = DataCatalog({})
    entries = {"raw_log": {"type": "x", "filepath": path}, "prepared_{part}": {"type": "a.Table"}}
    LogNameHooks().after_catalog_created(catalog, entries)
    assert catalog.load("log_names") == {"raw_log": shown, "prepared_{part}": "a.Table"}
    LogNameHooks().after_catalog_created(catalog, {})
    assert catalog.load("log_names")["raw_log"] == "an entry of another name"


def test_a_table_is_told_by_its_name():
    catalog = DataCatalog({})
    entry = {"type": "gru4rec_kedro.datasets.SparkTableDataset", "table": "main.shop.clicks"}
    LogNameHooks().after_catalog_created(catalog, {"raw_log": entry})
    assert catalog.load("log_names")["raw_log"] == "main.shop.clicks"
