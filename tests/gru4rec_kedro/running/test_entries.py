import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Node, Pipeline

from gru4rec import ConfigError
from gru4rec_kedro.options.parameters import Parameters
from gru4rec_kedro.running.entries import (
    check_paths,
    check_places,
    check_types,
    make_datasets,
    warn_of_misspelt_entries,
)

RAW_LOG = {"type": "gru4rec_kedro.datasets.RawLogDataset", "filepath": "clicks.csv"}


def check(name: str, path: str, entry: str, read: str | None) -> None:
    params = {name: path}
    check_paths(Parameters.parse(params, "here"), params, {entry: {"filepath": read}})


@pytest.mark.parametrize("entry", [{"filepath": "clicks.csv"}, None, "clicks.csv"])
def test_an_entry_that_is_not_whole_is_refused(entry):
    check_types({"train": RAW_LOG})
    with pytest.raises(ConfigError, match=r"^the entry raw_log in catalog.yml has no type; .* all"):
        check_types({"train": RAW_LOG, "raw_log": entry})


@pytest.mark.parametrize(
    ("name", "path", "entry", "read"),
    [
        ("events", "other.csv", "raw_log", "data/01_raw/clicks.csv"),
        ("events", "clicks.csv", "raw_log", "clicks.csv.gz"),
        ("sessions", "other.csv", "sessions", "clicks.csv"),
        ("prepared", "parts", "prepared_{part}", "parts_of_old/{part}.*"),
        ("candidates", "items.txt", "candidates", None),
    ],
)
def test_a_path_that_its_entry_does_not_take_is_refused(name, path, entry, read):
    with pytest.raises(ConfigError) as caught:
        check(name, path, entry, read)
    message = f"{name} is '{path}', but the entry {entry} in catalog.yml reads {read!r}; write"
    assert str(caught.value).startswith(message)
    assert f"${{runtime_params:{name}, {read}}}" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "path", "entry", "read"),
    [
        ("events", "shop/*.csv", "raw_log", "shop/*.csv"),
        ("prepared", "parts", "prepared_{part}", "parts/{part}.*"),
    ],
)
def test_a_path_that_its_entry_takes_is_read(name, path, entry, read):
    check(name, path, entry, read)


def test_what_is_wrong_in_an_entry_is_one_message():
    entries = {"model": {"type": "gru4rec_kedro.datasets.NoDataset"}}
    with pytest.raises(ConfigError, match=r"(?s)^catalog\.yml: .*NoDataset"):
        make_datasets(DataCatalog.from_config(entries), ["model"])


def test_a_misspelt_entry_is_named(caplog):
    catalog = DataCatalog.from_config({"raw_lgo": RAW_LOG, "raw_log2": RAW_LOG, "train": RAW_LOG})
    warn_of_misspelt_entries(catalog, used={"raw_log2"})
    assert caplog.messages == [
        "The entry raw_lgo in catalog.yml is not used; did you mean raw_log?"
    ]


@pytest.mark.parametrize(
    ("name", "value"),
    [("delimiter", ";"), ("column_names", "a b c"), ("skip_lines", 1), ("comment", "%")],
)
def test_what_is_said_of_the_log_is_refused_where_its_entry_does_not_take_it(name, value):
    parameters = Parameters.parse({name: value}, "here")
    check_paths(parameters, {name: value}, {"raw_log": RAW_LOG | {name: value}})
    with pytest.raises(ConfigError, match=f"^{name} is .* the entry raw_log .* has None"):
        check_paths(parameters, {name: value}, {"raw_log": RAW_LOG})


@pytest.mark.parametrize(
    ("read", "written", "refused"),
    [
        ("SparkTableDataset", "memory:///run/train.parquet", True),
        ("SparkTableDataset", "data/train.parquet", False),
        ("EventsDataset", "memory:///run/train.parquet", False),
    ],
)
def test_what_spark_cannot_write_is_refused_before_it_computes(read, written, refused):
    place = {"table": "clicks"} if read == "SparkTableDataset" else {"filepath": "clicks.parquet"}
    entries = {
        "raw_log": {"type": f"gru4rec_kedro.datasets.{read}", **place},
        "train": {"type": "gru4rec_kedro.datasets.EventsDataset", "filepath": written},
    }
    entries["kept"] = {"type": "gru4rec_kedro.datasets.SparkTableDataset", "table": "kept"}
    catalog = DataCatalog.from_config(entries)
    pipeline = Pipeline(
        [Node(lambda *_: None, ["raw_log", "params:x"], ["train", "counts", "kept"], name="split")]
    )
    catalog["params:x"] = MemoryDataset(1)
    catalog["counts"] = MemoryDataset()
    if refused:
        with pytest.raises(ConfigError, match=r"^train would be written by Spark, as raw_log is"):
            check_places(pipeline, catalog)
    else:
        check_places(pipeline, catalog)
