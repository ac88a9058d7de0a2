"""What the library reads and writes, in a real store."""

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.object_store import ObjectStore, Proxy, upload_held

from gru4rec import GRU4Rec, ModelFileError, describe_model, read_log
from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.files import written_whole
from gru4rec.preparation import load_events

MIB = 2**20
OPTIONS: dict[str, Any] = {"layers": [4], "n_sample": 0, "batch_size": 2, "device": "cpu"}
EVENTS = pd.DataFrame(
    {"SessionId": np.arange(40) // 4, "ItemId": np.arange(40) % 7, "Time": 1.6e9 + np.arange(40)}
)


def test_a_model_is_saved_and_loaded(object_store: ObjectStore) -> None:
    gru = GRU4Rec(**OPTIONS, n_epochs=1).fit(EVENTS)
    path = object_store.path("models/a.pth")

    with pytest.raises(ModelFileError, match=r"there is no model file s3://shop/models/a\.pth"):
        GRU4Rec.load(path, "cpu")
    gru.save(path)

    assert GRU4Rec.load(path, "cpu").digest == gru.digest
    assert describe_model(path)["items"] == 7
    assert object_store.names("models") == ["a.pth"]
    nowhere = path.fs.unstrip_protocol("nobucket/a.pth")
    with pytest.raises(ModelFileError, match="there is no bucket or container 'nobucket'"):
        gru.save(type(path)(nowhere, **object_store.options))


def test_an_address_takes_its_credentials_from_the_environment(
    object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = object_store.options["client_kwargs"]
    monkeypatch.setenv("AWS_ENDPOINT_URL", place["endpoint_url"])
    monkeypatch.setenv("AWS_DEFAULT_REGION", place["region_name"])
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "it")
    gru = GRU4Rec(**OPTIONS, n_epochs=1).fit(EVENTS)
    gru.save("s3://shop/environment/a.pth")
    assert object_store.names("environment") == ["a.pth"]
    assert GRU4Rec.load("s3://shop/environment/a.pth", "cpu").digest == gru.digest


def test_a_training_goes_on_from_a_checkpoint(object_store: ObjectStore) -> None:
    checkpoint = object_store.path("models/checkpoint.pth")
    GRU4Rec(**OPTIONS, n_epochs=1).fit(EVENTS, checkpoint=checkpoint)
    resumed = GRU4Rec(**OPTIONS, n_epochs=3).fit(EVENTS, checkpoint=checkpoint, resume=True)
    whole = GRU4Rec(**OPTIONS, n_epochs=3).fit(EVENTS)
    assert resumed.digest == whole.digest
    assert len(resumed.history) == 3


def _write_logs(store: ObjectStore, folder: Path) -> None:
    """Writes the same files to a folder and to the store."""
    packed, parquet = io.BytesIO(), io.BytesIO()
    text = EVENTS.to_csv(index=False).encode()
    with gzip.open(packed, "wb") as file:
        file.write(text)
    EVENTS.to_parquet(parquet)
    contents = {
        "text/a.csv": text,
        "text/b.csv": text,
        "packed/a.csv.gz": packed.getvalue(),
        "lines/a.jsonl": EVENTS.to_json(orient="records", lines=True).encode(),
        "days/day=1/a.parquet": parquet.getvalue(),
        "days/day=2/[b].parquet": parquet.getvalue(),
        "days/_SUCCESS": b"",
    }
    for name, content in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        store.path(f"logs/{name}").write_bytes(content)


def test_a_log_is_read_as_on_this_machine(object_store: ObjectStore, tmp_path: Path) -> None:
    _write_logs(object_store, tmp_path)
    for name in (
        "text/a.csv",
        "text/*.csv",
        "text/{a,b}.csv",
        "packed",
        "lines/a.jsonl",
        "days",
        "days/*/*.parquet",
        "days/day=2",
    ):
        expected = read_log(tmp_path / name).to_pandas()
        found = read_log(object_store.path(f"logs/{name}")).to_pandas()
        assert len(found) in (40, 80)
        pd.testing.assert_frame_equal(found, expected)
    log = read_log(object_store.path("logs/text/a.csv"))
    events = load_events(log, DataConfig(), LoadingConfig())
    pd.testing.assert_frame_equal(
        events.to_pandas().sort_values("Time", ignore_index=True)[list(EVENTS)], EVENTS
    )


def test_of_parquet_only_what_is_needed_travels(object_store: ObjectStore, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).random((100_000, 10))
    pd.DataFrame(noise, columns=list("abcdefghij")).to_parquet(tmp_path / "wide.parquet")
    object_store.path("wide.parquet").write_bytes((tmp_path / "wide.parquet").read_bytes())
    proxy = Proxy(object_store.port)
    path = object_store.path("wide.parquet", **object_store.options_through(proxy.port))

    total = read_log(path)["c"].sum().execute()

    proxy.close()
    assert total == pytest.approx(noise[:, 2].sum())
    assert 0.1 < proxy.sent / (tmp_path / "wide.parquet").stat().st_size < 0.3


@pytest.mark.parametrize(
    ("size", "hold_after"),
    [(20 * MIB, 10 * MIB), (101 * MIB, 51 * MIB)],
    ids=["in one piece", "in parts"],
)
def test_an_upload_that_is_killed_leaves_what_was_there(
    object_store: ObjectStore, size: int, hold_after: int
) -> None:
    path = object_store.path("killed/file")
    path.write_bytes(b"old")
    upload_held(object_store, "killed/file", size, hold_after)
    assert object_store.names("killed") == ["file"]
    assert path.read_bytes() == b"old"
    with written_whole(path) as temporary, temporary.open("wb") as file:  # of the same size
        file.truncate(size)
    assert path.stat().st_size == size
    path.unlink()
