import io
import os
import pickle
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, describe_model, load_config, load_model, read_log, save_model
from gru4rec.config import ModelConfig, resolve_device
from gru4rec.errors import ConfigError, DataError, ModelFileError, NotFittedError
from gru4rec.model.losses import LOSSES

MakeEvents = Callable[..., pd.DataFrame]
MakeSessions = Callable[..., list[list[int]]]

OPTIONS: dict[str, Any] = {"layers": [5], "n_sample": 8, "n_epochs": 1, "device": "cpu"}


@pytest.fixture
def events(make_events: MakeEvents, make_random_sessions: MakeSessions) -> pd.DataFrame:
    return make_events(make_random_sessions(40, 15))


@pytest.fixture
def gru(events: pd.DataFrame) -> GRU4Rec:
    return GRU4Rec(**OPTIONS).fit(events)


def weights(gru: GRU4Rec) -> dict[str, torch.Tensor]:
    return {**gru.network.tables, **gru.network.dense}


def assert_same_weights(one: GRU4Rec, other: GRU4Rec) -> None:
    assert weights(one).keys() == weights(other).keys()
    for name, weight in weights(one).items():
        assert torch.equal(weight, weights(other)[name]), name


def rewrite(path: Path, **changes: Any) -> None:
    content = torch.load(path, weights_only=True)
    torch.save({**content, **changes}, path)


# --- there and back ---


@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
@pytest.mark.parametrize(
    "options",
    [{}, {"constrained_embedding": False}, {"constrained_embedding": False, "embedding": 3}],
    ids=["shared", "none", "separate"],
)
def test_recommendations_are_the_same_after_a_round_trip(
    events: pd.DataFrame, tmp_path: Path, text: bool, options: dict[str, Any]
) -> None:
    if text:
        events["ItemId"] = "é" + events["ItemId"].astype(str)
    gru = GRU4Rec(**{**OPTIONS, "layers": [5, 4], **options}).fit(events)
    some = gru.vocabulary.ids[:3].tolist()

    gru.save(tmp_path / "model.pth")
    loaded = GRU4Rec.load(tmp_path / "model.pth", device="cpu")

    sessions = [some, some[:1], []]
    pd.testing.assert_frame_equal(loaded.recommend(sessions), gru.recommend(sessions))
    assert_same_weights(loaded, gru)
    assert loaded.config == gru.config
    assert loaded.vocabulary.ids.tolist() == gru.vocabulary.ids.tolist()
    pd.testing.assert_frame_equal(loaded.history, gru.history)


def test_large_ids_survive(make_events: MakeEvents, tmp_path: Path) -> None:
    largest = 2**63 - 1
    gru = GRU4Rec(**OPTIONS).fit(make_events([[largest, largest - 1, -largest]] * 2))

    gru.save(tmp_path / "model.pth")
    loaded = GRU4Rec.load(tmp_path / "model.pth")

    assert loaded.vocabulary.ids.tolist() == [largest, largest - 1, -largest]


def test_notes_and_item_counts_are_kept(gru: GRU4Rec, events: pd.DataFrame, tmp_path: Path) -> None:
    gru.notes |= {"part": "first week", "sessions": 40, "share": 0.5, "shuffled": False, "by": None}

    gru.save(tmp_path / "model.pth")
    loaded = GRU4Rec.load(tmp_path / "model.pth", device="cpu")

    assert loaded.notes == gru.notes
    counted = events["ItemId"].value_counts()
    assert loaded.item_counts.tolist() == counted[loaded.vocabulary.ids].tolist()


def test_item_counts_are_a_copy(gru: GRU4Rec) -> None:
    gru.item_counts[0] = -1

    assert gru.item_counts.min() >= 1


def test_a_file_from_before_there_were_notes_has_none(gru: GRU4Rec, tmp_path: Path) -> None:
    gru.save(tmp_path / "model.pth")
    content = torch.load(tmp_path / "model.pth", weights_only=True)
    del content["notes"]
    torch.save(content, tmp_path / "model.pth")

    assert GRU4Rec.load(tmp_path / "model.pth", device="cpu").notes == {}


@pytest.mark.parametrize("note", [np.float64(1), [1], {"a": 1}, pd.Timestamp(0)], ids=repr)
def test_notes_are_plain_values(gru: GRU4Rec, tmp_path: Path, note: Any) -> None:
    gru.notes["found"] = note

    with pytest.raises(DataError, match=r"the note 'found' is .*; a model keeps text"):
        gru.save(tmp_path / "model.pth")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("notes", [{"a": [1]}, {1: 2}, 7])
def test_notes_of_another_kind_are_refused(gru: GRU4Rec, tmp_path: Path, notes: Any) -> None:
    gru.save(tmp_path / "model.pth")
    rewrite(tmp_path / "model.pth", notes=notes)

    with pytest.raises(ModelFileError, match="is damaged"):
        GRU4Rec.load(tmp_path / "model.pth")


@pytest.mark.parametrize("loss", LOSSES)
def test_training_further_goes_on_as_if_never_saved(
    events: pd.DataFrame, tmp_path: Path, loss: str
) -> None:
    options = {**OPTIONS, "loss": loss, "momentum": 0.3, "dropout_p_embed": 0.3}
    gru = GRU4Rec(**options, dropout_p_hidden=0.2).fit(events)
    gru.save(tmp_path / "model.pth")
    loaded = GRU4Rec.load(tmp_path / "model.pth", device="cpu")

    later = events.assign(ItemId=events["ItemId"] + 5)  # of which some are new
    gru.fit(later)
    loaded.fit(later)

    assert_same_weights(loaded, gru)
    assert loaded.vocabulary.ids.tolist() == gru.vocabulary.ids.tolist()
    assert len(gru.vocabulary) == events["ItemId"].nunique() + 5
    assert loaded.history["loss"].tolist() == gru.history["loss"].tolist()
    assert loaded.history["epoch"].tolist() == [1, 2]


def test_without_optimiser_the_file_is_about_half(events: pd.DataFrame, tmp_path: Path) -> None:
    gru = GRU4Rec(**{**OPTIONS, "layers": [100]}).fit(events)
    gru.save(tmp_path / "whole.pth")
    gru.save(tmp_path / "weights.pth", with_optimizer=False)

    sizes = [(tmp_path / name).stat().st_size for name in ("whole.pth", "weights.pth")]
    loaded = GRU4Rec.load(tmp_path / "weights.pth", device="cpu")

    assert sizes[1] < 0.6 * sizes[0]
    assert_same_weights(loaded, gru)
    loaded.fit(events)
    assert loaded.history["epoch"].tolist() == [1, 2]


def test_a_file_holds_no_training_data(events: pd.DataFrame, tmp_path: Path) -> None:
    GRU4Rec(**OPTIONS).fit(events).save(tmp_path / "one.pth")
    # the same items in a log ten times as long
    later = [events.assign(SessionId=events["SessionId"] + 1000 * n) for n in range(10)]
    GRU4Rec(**OPTIONS).fit(pd.concat(later)).save(tmp_path / "ten.pth")

    sizes = [(tmp_path / name).stat().st_size for name in ("one.pth", "ten.pth")]

    assert sizes[1] == pytest.approx(sizes[0], rel=0.02)


def test_other_users_may_read_the_file(gru: GRU4Rec, tmp_path: Path) -> None:
    gru.save(tmp_path / "model.pth")
    (tmp_path / "plain").touch()

    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("model.pth", "plain")]
    assert modes[0] == modes[1]


def test_a_file_is_replaced(gru: GRU4Rec, events: pd.DataFrame, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    before = path.read_bytes()
    still_open = tmp_path / "read by another process"
    os.link(path, still_open)
    gru.fit(events)

    gru.save(str(path))

    assert_same_weights(GRU4Rec.load(str(path)), gru)
    # replaced, not overwritten: who reads the old file meanwhile reads it whole
    assert still_open.read_bytes() == before
    assert set(tmp_path.iterdir()) == {path, still_open}


def test_paths_come_from_the_configuration(gru: GRU4Rec, tmp_path: Path) -> None:
    path = str(tmp_path / "model.pth")
    config = {"paths": {"model_save": path, "model_load": path}, "model": OPTIONS}

    save_model(gru, config)

    assert_same_weights(load_model(config), gru)


# --- other options than the saved ones ---


def test_training_goes_on_by_the_options_given(
    events: pd.DataFrame, gru: GRU4Rec, tmp_path: Path
) -> None:
    gru.save(tmp_path / "model.pth")
    options = {**OPTIONS, "learning_rate": 0.2, "n_epochs": 2, "loss": "bpr-max"}
    config = ModelConfig.parse(options, "test")

    loaded = GRU4Rec.load(tmp_path / "model.pth", device="cpu", config=config)

    assert loaded.config.learning_rate == 0.2
    assert_same_weights(loaded, gru)
    loaded.fit(events)
    assert loaded.history["epoch"].tolist() == [1, 2, 3]


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.3), (0.3, 0.0)])
def test_momentum_can_come_and_go(
    events: pd.DataFrame, tmp_path: Path, before: float, after: float
) -> None:
    GRU4Rec(**OPTIONS, momentum=before).fit(events).save(tmp_path / "model.pth")
    config = ModelConfig.parse({**OPTIONS, "momentum": after}, "test")

    loaded = GRU4Rec.load(tmp_path / "model.pth", device="cpu", config=config).fit(events)

    assert loaded.config.momentum == after


@pytest.mark.parametrize(
    "options", [{"layers": [6]}, {"layers": [5, 5]}, {"constrained_embedding": False}]
)
def test_other_sizes_are_refused(gru: GRU4Rec, tmp_path: Path, options: dict[str, Any]) -> None:
    gru.save(tmp_path / "model.pth")
    config = ModelConfig.parse({**OPTIONS, **options}, "test")

    with pytest.raises(ConfigError, match=r"the options ask for .* saved with .*layers=\(5,\)"):
        GRU4Rec.load(tmp_path / "model.pth", config=config)


# --- files that are no models ---


class Malicious:
    """Writes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._marker,)


@pytest.mark.parametrize("place", ["plain pickle", "in place of all", "among the weights"])
def test_loading_never_runs_code(gru: GRU4Rec, tmp_path: Path, place: str) -> None:
    path, marker = tmp_path / "model.pth", tmp_path / "marker"
    bomb = Malicious(marker)
    gru.save(path)
    if place == "plain pickle":
        path.write_bytes(pickle.dumps(bomb, protocol=2))
    elif place == "in place of all":
        torch.save(bomb, path)
    else:
        rewrite(path, tables={"output": bomb})

    refusal = "not a zip file" if place == "plain pickle" else "could run code and was not loaded"
    with pytest.raises(ModelFileError, match=refusal):
        GRU4Rec.load(path)

    assert not marker.exists()
    torch.load(path, weights_only=False) if place != "plain pickle" else pickle.loads(  # noqa: S301
        path.read_bytes()
    )
    assert marker.exists()  # the bomb was a real one


def test_a_file_cut_off_anywhere_is_refused(gru: GRU4Rec, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    whole = path.read_bytes()

    for length in [0, 1, 2, 3, 10, *range(100, len(whole), len(whole) // 50), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError, match=r"model\.pth"):
            GRU4Rec.load(path)


@pytest.mark.parametrize("text", ["hello", "SessionId,ItemId,Time\n1,2,3\n", "\n" * 100])
def test_a_text_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.pth").write_text(text)

    with pytest.raises(ModelFileError, match=r"model\.pth (cannot be read|is no model file)"):
        GRU4Rec.load(tmp_path / "model.pth")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="cannot be read as a model file"):
        GRU4Rec.load(tmp_path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"there is no model file .*nowhere\.pth; train and"):
        GRU4Rec.load(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {"format": "another", "version": 1}])
def test_a_file_of_another_package_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "model.pth")

    with pytest.raises(ModelFileError, match=r"model\.pth is no model file of this package"):
        GRU4Rec.load(tmp_path / "model.pth")


@pytest.mark.parametrize("version", [2, None, "1"])
def test_another_version_is_refused(gru: GRU4Rec, tmp_path: Path, version: Any) -> None:
    gru.save(tmp_path / "model.pth")
    rewrite(tmp_path / "model.pth", version=version)

    with pytest.raises(ModelFileError, match=f"format version {version!r}, this package reads 1"):
        GRU4Rec.load(tmp_path / "model.pth")


@pytest.mark.parametrize(
    "changes",
    [
        {"item_ids": torch.arange(3)},
        {"item_ids": ["a"] * 15},
        {"item_ids": None},
        {"item_ids": torch.arange(15.0)},
        {"tables": {"output": torch.zeros(15, 5)}},
        {"tables": {"output": torch.zeros(15, 6), "bias": torch.zeros(15)}},
        {"tables": {"output": "much", "bias": torch.zeros(15)}},
        {"tables": [torch.zeros(15, 5)]},
        {"dense": {}},
        {"counts": torch.ones(14)},
        {"counts": None},
        {"config": {"layers": [6]}},
        {"config": {"layers": "many"}},
        {"config": {"unheard_of": 1}},
        {"optimizer": {"accumulators": {}, "velocities": {}, "generator": torch.zeros(3)}},
        {"optimizer": {"accumulators": {}}},
        {"epochs": "three"},
        {"history": None},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_refused(
    gru: GRU4Rec, tmp_path: Path, changes: dict[str, Any]
) -> None:
    gru.save(tmp_path / "model.pth")
    rewrite(tmp_path / "model.pth", **changes)

    with pytest.raises(ModelFileError, match=r"model\.pth is damaged: "):
        GRU4Rec.load(tmp_path / "model.pth")


def test_tensors_of_another_kind_are_refused(gru: GRU4Rec, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    tables = gru.network.tables
    for bias in (tables["bias"].double(), torch.zeros(1).expand(len(tables["bias"]))):
        rewrite(path, tables={**tables, "bias": bias})
        with pytest.raises(ModelFileError, match="tensor bias is not a plain array"):
            GRU4Rec.load(path)


def test_a_history_without_losses_is_refused(gru: GRU4Rec, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    rewrite(path, history=[{"epoch": 1}])
    with pytest.raises(ModelFileError, match=r"its history lacks one of .*loss"):
        GRU4Rec.load(path)


def test_a_missing_part_is_refused(gru: GRU4Rec, tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    content = torch.load(path, weights_only=True)

    optional = {"notes", "fit", "last_days", "n_retired"}  # older files have none
    for part in content.keys() - optional - {"format", "version"}:
        torch.save({name: value for name, value in content.items() if name != part}, path)
        with pytest.raises(ModelFileError, match=f"is damaged: '{part}'"):
            GRU4Rec.load(path)


# --- files that cannot be written ---


def test_a_model_without_weights_is_not_saved(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="no weights yet"):
        GRU4Rec(**OPTIONS).save(tmp_path / "model.pth")

    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error(gru: GRU4Rec, tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"cannot write the model to .*nowhere/model\.pth: "):
        gru.save(tmp_path / "nowhere" / "model.pth")


def test_a_folder_is_not_overwritten(gru: GRU4Rec, tmp_path: Path) -> None:
    (tmp_path / "model.pth").mkdir()

    with pytest.raises(ModelFileError, match=r"cannot write the model to .*model\.pth: "):
        gru.save(tmp_path / "model.pth")

    assert [path.name for path in tmp_path.iterdir()] == ["model.pth"]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError("disk full"), ModelFileError),
        (RuntimeError("unexpected pos"), ModelFileError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
    ids=["disk", "torch", "interrupted"],
)
def test_the_old_file_stays_where_writing_fails_half_way(
    gru: GRU4Rec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    expected: type[BaseException],
) -> None:
    path = tmp_path / "model.pth"
    gru.save(path)
    before = path.read_bytes()

    def fail_half_way(content: Any, file: Any) -> None:
        file.write(b"half")
        raise error

    monkeypatch.setattr(torch, "save", fail_half_way)
    with pytest.raises(expected):
        gru.save(path)

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


# --- devices ---


@pytest.mark.gpu
def test_a_model_moves_between_devices(events: pd.DataFrame, tmp_path: Path) -> None:
    gru = GRU4Rec(**{**OPTIONS, "device": "cuda"}).fit(events)
    gru.save(tmp_path / "model.pth")

    on_cpu = GRU4Rec.load(tmp_path / "model.pth", device="cpu")

    sessions = [[1, 2], [3]]
    there, here = gru.recommend(sessions, k=5), on_cpu.recommend(sessions, k=5)
    pd.testing.assert_frame_equal(there, here, rtol=1e-3, atol=1e-4)
    on_cpu.fit(events)
    assert on_cpu.network.device.type == "cpu"
    on_cpu.save(tmp_path / "model.pth")
    assert GRU4Rec.load(tmp_path / "model.pth", "cuda").fit(events).network.device.type == "cuda"


# --- streams, addresses and devices ---


def saved_bytes(gru: GRU4Rec) -> bytes:
    stream = io.BytesIO()
    gru.save(stream)
    return stream.getvalue()


def test_a_stream_takes_the_place_of_a_file(gru: GRU4Rec, tmp_path: Path) -> None:
    zipped = tmp_path / "models.zip"
    with zipfile.ZipFile(zipped, "w") as archive, archive.open("gru.pth", "w") as entry:
        gru.save(entry)
    with (tmp_path / "gru.pth").open("wb", buffering=0) as file:
        file.write(b"before")
        gru.save(file)

    with zipfile.ZipFile(zipped) as archive, archive.open("gru.pth") as entry:
        loaded = [GRU4Rec.load(entry, device="cpu")]
    with (tmp_path / "gru.pth").open("rb") as file:
        assert file.read(6) == b"before"
        loaded.append(GRU4Rec.load(file, device="cpu"))
        assert not file.closed
    loaded.append(GRU4Rec.load(io.BytesIO(saved_bytes(gru)), device="cpu"))
    for one in loaded:
        assert_same_weights(one, gru)
    described = describe_model(io.BytesIO(saved_bytes(gru)))
    gru.save(tmp_path / "gru.pth")
    assert described == describe_model(tmp_path / "gru.pth")


def test_what_a_stream_takes_in_parts_is_written_whole(gru: GRU4Rec) -> None:
    class Narrow(io.RawIOBase):
        content = b""

        def write(self, data: Any) -> int:
            self.content += bytes(data[:1000])
            return min(1000, len(data))

    stream = Narrow()
    gru.save(stream)  # type: ignore[arg-type]

    assert len(stream.content) > 2000
    assert_same_weights(GRU4Rec.load(io.BytesIO(stream.content), device="cpu"), gru)


def test_a_stream_is_checked_as_a_file_is(gru: GRU4Rec) -> None:
    content = bytearray(saved_bytes(gru))
    content[len(content) // 2] ^= 1
    not_ours = io.BytesIO()
    torch.save({"format": "another"}, not_ours)
    not_ours.seek(0)
    harmful = io.BytesIO(pickle.dumps(os.getcwd))
    for stream, message in (
        (io.BytesIO(content), "cannot be read as a model file.*checksum"),
        (io.BytesIO(), "cannot be read as a model file"),
        (not_ours, "is no model file of this package"),
        (harmful, "cannot be read as a model file"),
    ):
        with pytest.raises(ModelFileError, match=f"^the stream BytesIO {message}"):
            GRU4Rec.load(stream, device="cpu")


def test_a_stream_that_cannot_be_used_is_one_message(gru: GRU4Rec, tmp_path: Path) -> None:
    closed: Any = io.BytesIO()
    closed.close()
    written_only = (tmp_path / "a.pth").open("wb")
    read_only = (tmp_path / "a.pth").open("rb")
    with written_only, read_only:
        for stream in (closed, io.StringIO("text"), written_only):
            with pytest.raises(ModelFileError, match=r"^cannot read the model from the stream "):
                GRU4Rec.load(stream)
        for stream in (closed, io.StringIO("text"), read_only):
            with pytest.raises(ModelFileError, match=r"^cannot write the model to the stream .+: "):
                gru.save(stream)


@pytest.mark.parametrize("place", ["dbfs:/m.pth", "nostore://m.pth", Path("s3://shop/m.pth")])
def test_an_address_is_refused_and_no_folder_made(
    gru: GRU4Rec,
    events: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str | Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    message = "files of Databricks|fsspec knows no store|neither a path nor an address"
    for use in (gru.save, GRU4Rec.load, describe_model, gru.export_onnx):
        with pytest.raises(ModelFileError, match=message):
            use(place)
    paths = {"model_save": str(place), "model_load": str(place)}
    for use in (lambda c: save_model(gru, c), load_model):
        with pytest.raises(ConfigError, match=rf"(?s)paths.model_save: .*({message})"):
            use({"paths": paths})
    for use in (load_config, lambda path: GRU4Rec(**OPTIONS).fit(events, checkpoint=path)):
        with pytest.raises(ConfigError, match=message):
            use(place)
    with pytest.raises(DataError, match=message):
        read_log(place)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("place", [None, 3, b"m.pth"])
def test_what_is_neither_path_nor_stream_is_refused(gru: GRU4Rec, place: Any) -> None:
    for use in (gru.save, GRU4Rec.load, describe_model):
        with pytest.raises(ModelFileError, match=f"expected, not {type(place).__name__}"):
            use(place)
    with pytest.raises(ModelFileError, match="a path or an address is expected, not BytesIO"):
        gru.export_onnx(io.BytesIO())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="a path or an address is expected, not BytesIO"):
        gru.fit(pd.DataFrame(), checkpoint=io.BytesIO())  # type: ignore[arg-type]


def test_a_device_may_be_torchs_own(gru: GRU4Rec, tmp_path: Path) -> None:
    cpu = torch.device("cpu")
    gru.save(tmp_path / "m.pth")

    for model in (GRU4Rec(device=cpu), GRU4Rec.load(tmp_path / "m.pth", device=cpu)):
        assert model.device == cpu
        assert model.config.device == "cpu"
    assert resolve_device(torch.device("cpu", 0)) == cpu
    assert ModelConfig(device=torch.device("cuda:1")).device == "cuda:1"  # type: ignore[arg-type]
    assert ModelConfig(device=torch.device("mps:0")).device == "mps"  # type: ignore[arg-type]
    for other in (torch.device("meta"), torch.device("cuda:99"), None, 0):
        with pytest.raises(ConfigError, match="device"):
            GRU4Rec.load(tmp_path / "m.pth", device=other)  # type: ignore[arg-type]
