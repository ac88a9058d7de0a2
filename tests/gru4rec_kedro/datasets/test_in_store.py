"""The datasets of the project in a real object store."""

import logging

import pandas as pd
import plotly.graph_objects as go
import pyarrow as pa
import pytest
from kedro.io import DataCatalog, DatasetError, Version
from tests.object_store import SECRET, upload_held

from gru4rec import GRU4Rec
from gru4rec_kedro import datasets
from gru4rec_kedro.datasets import (
    EventsDataset,
    GRU4RecDataset,
    ItemListDataset,
    MetricsDataset,
    MetricsHistoryDataset,
    OptionalCSVDataset,
    OptionalJSONDataset,
    ParquetDataset,
    Part,
    Parts,
    PartsDataset,
    RawLogDataset,
    TextDataset,
)
from gru4rec_kedro.errors import (
    FolderInUseError,
    MissingFileError,
    UnreachableError,
    UnwritableError,
)
from gru4rec_kedro.kedro_internals import file_of
from gru4rec_kedro.locking import FolderLock, notes_of
from gru4rec_kedro.pipelines.promotion.nodes import promote_model

FRAME = pd.DataFrame({"SessionId": [1, 1, 2], "ItemId": [7, 8, 9], "Time": [1, 2, 3]})
FILES = {
    "CSVDataset": FRAME,
    "EventsDataset": FRAME,
    "JSONDataset": {"a": [1]},
    "MetricsDataset": {"recall@20": 0.5},
    "OptionalCSVDataset": FRAME,
    "OptionalJSONDataset": {"a": [1]},
    "OptionalParquetDataset": FRAME,
    "PageDataset": "<main>a<h2>b</main>",
    "ParquetDataset": FRAME,
    "PlotlyDataset": go.Figure(),
    "TextDataset": "<html>",
    "YAMLDataset": {"a": [1]},
}


@pytest.fixture(scope="module")
def gru():
    return GRU4Rec(layers=[4], n_sample=4, n_epochs=1, device="cpu").fit(FRAME)


@pytest.fixture
def place(object_store, request):
    """Address and credentials of a file of this test."""
    options = {**object_store.options}
    folder = f"datasets/{request.node.name}"
    return lambda name: {"filepath": f"s3://shop/{folder}/{name}", "credentials": options}


def parts(*values, fail_at=None):
    def make(value):
        if value == fail_at:
            raise RuntimeError("ended")
        return pa.table({"value": [value]})

    return Parts(lambda: (Part(f"key {v}", lambda v=v: make(v)) for v in values))


@pytest.mark.parametrize("name", FILES)
def test_what_is_saved_is_loaded(place, name):
    more = {"load_as": "frame"} if name == "EventsDataset" else {}
    more |= {"save_args": {"index": False}} if name.endswith("CSVDataset") else {}
    dataset = getattr(datasets, name)(**place("file"), **more)
    assert not dataset.exists()
    if name.startswith("Optional"):
        assert len(dataset.load()) == 0
    dataset.save(FILES[name])
    assert dataset.exists()
    loaded = dataset.load()
    if isinstance(loaded, pd.DataFrame):
        pd.testing.assert_frame_equal(loaded, FRAME)
    else:
        assert loaded == FILES[name]
    if name == "PageDataset":
        assert dataset.preview() == "a"
    assert SECRET not in f"{dataset}{dataset!r}{dataset._describe()}"


def test_events_are_read_where_they_are(place):
    dataset = EventsDataset(**place("events.parquet"))
    dataset.save(FRAME)
    table = dataset.load()
    assert table.ItemId.sum().execute() == 24
    dataset.save(table.filter(table.ItemId > 7))  # which reads what it replaces
    assert dataset.load().count().execute() == 2
    folder = place("folder")
    for part in ("a.parquet", "b.parquet"):  # as Spark leaves them
        ParquetDataset(**{**folder, "filepath": f"{folder['filepath']}/{part}"}).save(FRAME)
    TextDataset(**{**folder, "filepath": f"{folder['filepath']}/_SUCCESS"}).save("")
    assert EventsDataset(**folder).load().count().execute() == 6
    assert len(EventsDataset(**folder, load_as="frame").load()) == 6
    with pytest.raises(DatasetError, match=r"folder is also a folder in the store, .* remove it"):
        EventsDataset(**folder).save(FRAME)
    assert EventsDataset(**folder).load().count().execute() == 6


def test_versions_are_in_folders_of_their_names(place, gru, object_store):
    for version in ("2026-01-01T00.00.00.000Z", "2026-01-02T00.00.00.000Z"):
        GRU4RecDataset(**place("gru.pth"), version=Version(None, version)).save(gru)
        MetricsDataset(**place("m.json"), version=Version(None, version)).save({"n": version})
    newest = MetricsDataset(**place("m.json"), version=Version(None, None))
    assert newest.load() == {"n": version}
    assert list(MetricsHistoryDataset(**place("m.json")).load()) == [
        "2026-01-01T00.00.00.000Z",
        "2026-01-02T00.00.00.000Z",
    ]
    model = GRU4RecDataset(**place("gru.pth"), device="cpu", version=Version(None, None))
    assert model.load().digest == gru.digest
    assert "items: 3" in model.preview().replace('"', "")
    assert str(file_of(model)).endswith(f"gru.pth/{version}/gru.pth")
    other = GRU4RecDataset(**place("gru.pth"), version=Version("2026-01-03T00.00.00.000Z", None))
    with pytest.raises(MissingFileError, match=r"no version 2026-01-03\S* of s3://shop/datasets"):
        other.load()


def test_another_process_s_version_is_seen(place, object_store):
    dataset = MetricsDataset(**place("m.json"), version=Version(None, None))
    assert not dataset.exists()
    with pytest.raises(MissingFileError):
        dataset.load()
    written = f"{place('m.json')['filepath']}/2026-01-01T00.00.00.000Z/m.json"
    object_store.path(written.removeprefix("s3://shop/")).write_bytes(b'{"n": 1}')
    assert dataset.load() == {"n": 1}


def test_parts_go_on_where_they_were_ended(place, object_store, caplog):
    where = place("parts")
    dataset = PartsDataset(path=where["filepath"], credentials=where["credentials"])
    names = lambda: object_store.names(where["filepath"].removeprefix("s3://shop/"))  # noqa: E731
    with pytest.raises(Exception, match="ended"):
        dataset.save(parts(1, 2, 3, fail_at=3))
    assert names() == ["part-00000.parquet", "part-00001.parquet"]
    with pytest.raises(MissingFileError, match="parts is not complete"):
        dataset.load()
    caplog.set_level(logging.INFO)
    dataset.save(parts(1, 2, 3))
    assert "3 part(s) (2 were there): s3://shop/datasets" in caplog.text
    assert names() == ["_SUCCESS", *(f"part-0000{n}.parquet" for n in range(3))]
    assert dataset.load().value.sum().execute() == 6
    dataset.save(parts(1, 4))
    assert names() == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet"]
    assert dataset.load().value.sum().execute() == 5


def test_a_slash_too_many_does_not_split_a_run(place, object_store):
    where = place("run/")
    options = where["credentials"]
    TextDataset(filepath=f"{where['filepath']}/report.html", credentials=options).save("<html>")
    PartsDataset(path=f"{where['filepath']}/parts", credentials=options).save(parts(1))
    names = object_store.names(where["filepath"].removeprefix("s3://shop/"))
    assert names == ["parts/_SUCCESS", "parts/part-00000.parquet", "report.html"]


def test_two_on_one_machine_take_turns(object_store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = object_store.path("locked")
    other = FolderLock(folder, notes_of(folder))
    message = r"^s3://shop/locked is in use by the process"
    with FolderLock(folder, notes_of(folder)), pytest.raises(FolderInUseError, match=message):
        other.acquire()
    other.acquire()
    other.release()
    assert object_store.names("locked") == []


def test_logs_and_lists_are_read(place, object_store):
    where = place("log.csv")
    for name, content in (
        ("log.csv", FRAME.to_csv(index=False)),
        ("items.txt", "7\n8\n"),
    ):
        key = place(name)["filepath"].removeprefix("s3://shop/")
        object_store.path(key).write_bytes(content.encode())
    log = RawLogDataset(**where)
    assert log.exists()
    assert log.load().execute().to_numpy().tolist() == FRAME.astype(str).to_numpy().tolist()
    assert ItemListDataset(**place("items.txt")).load().execute().ItemId.tolist() == ["7", "8"]
    assert not RawLogDataset(**place("other.csv")).exists()
    assert SECRET not in f"{log}{log._describe()}"


def test_a_model_is_put_into_service(place, gru):
    service = datasets.ModelPlaceDataset(**place("in_service.pth"))
    assert not service.exists()
    verdict = {"model": gru.digest, "promote": True, "in_service": None, "trained_at": None}
    promote_model(gru, service.load(), verdict)
    assert GRU4Rec.load(service.load(), "cpu").digest == gru.digest


def test_a_writer_that_is_killed_leaves_no_version(place, object_store):
    dataset = GRU4RecDataset(**place("gru.pth"), version=Version(None, "2026-01-01T00.00.00.000Z"))
    key = str(file_of_version(dataset)).removeprefix("s3://shop/")
    upload_held(object_store, key, 20 << 20, 10 << 20)
    assert object_store.names(place("")["filepath"].removeprefix("s3://shop/").rstrip("/")) == []
    assert not dataset.exists()


def file_of_version(dataset):
    from gru4rec_kedro.kedro_internals import location_of

    return location_of(dataset, dataset._get_versioned_path(dataset._version.save))


def test_a_store_that_cannot_be_reached_is_named():
    options = {
        "key": "me",
        "secret": SECRET,
        "client_kwargs": {"endpoint_url": "http://127.0.0.1:9", "region_name": "us-east-1"},
        "config_kwargs": {"retries": {"max_attempts": 0}},
    }
    place = {"filepath": "s3://shop/m.json", "credentials": options}
    for kind in (MetricsDataset, OptionalCSVDataset, OptionalJSONDataset):
        with pytest.raises(
            UnreachableError, match=r"^cannot reach s3://shop/m.json: .*connect"
        ) as caught:
            kind(**place).load()
        assert SECRET not in str(caught.value)
    for version in (None, Version(None, "2026-01-01T00.00.00.000Z")):
        with pytest.raises(
            UnwritableError, match=r"^cannot write s3://shop/m.json: .*connect"
        ) as caught:
            MetricsDataset(**place, version=version).save({})
        assert SECRET not in str(caught.value)


def test_kedro_hands_the_credentials_over(place):
    entry = {"type": "gru4rec_kedro.datasets.TextDataset", **place("report.html")}
    options = entry["credentials"]
    catalog = DataCatalog.from_config(
        {"report": {**entry, "credentials": "dev_s3"}}, {"dev_s3": options}
    )
    catalog.save("report", "<html>")
    assert catalog.load("report") == "<html>"
