"""Newer files take the place of older ones; what cannot be used does not."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gru4rec import DataError, GRU4Rec, GRU4RecError, ModelFileError
from gru4rec.server.app import create_app
from gru4rec.server.models import ModelKeeper, newest_model
from gru4rec.server.options import ServerOptions

Fit = Callable[..., GRU4Rec]


@pytest.fixture
def keeper(fit: Fit, tmp_path: Path) -> ModelKeeper:
    fit().save(tmp_path / "model.pth")
    (tmp_path / "stock.txt").write_text("1\n2\n")
    told: list[bool] = []
    options = ServerOptions(
        model=tmp_path / "model.pth", device="cpu", shortlists={"stock": tmp_path / "stock.txt"}
    )
    made = ModelKeeper(options, told.append)
    made.told = told  # type: ignore[attr-defined]
    return made


def test_a_newer_model_takes_the_place_with_its_shortlists(
    keeper: Any, fit: Fit, tmp_path: Path
) -> None:
    before = keeper.current
    keeper.look()
    assert keeper.current is before
    newer = fit(seed=1, layers=[5])
    newer.save(tmp_path / "model.pth")
    keeper.look()
    assert keeper.current.gru.digest == newer.digest != before.gru.digest
    assert keeper.current.shortlists["stock"].vocabulary is keeper.current.gru.vocabulary
    assert keeper.told == [True]


def test_a_newer_shortlist_takes_the_place_without_reading_the_model(
    keeper: Any, tmp_path: Path
) -> None:
    gru = keeper.current.gru
    (tmp_path / "stock.txt").write_text("1\n2\n3\n")
    keeper.look()
    assert keeper.current.gru is gru
    assert len(keeper.current.shortlists["stock"]) == 3


def test_a_newer_model_gets_its_compact_copy(fit: Fit, tmp_path: Path) -> None:
    fit().save(tmp_path / "model.pth")
    keeper = ModelKeeper(ServerOptions(model=tmp_path / "model.pth", device="cpu", compact=True))
    for newer in (None, fit(seed=1)):
        if newer:
            newer.save(tmp_path / "model.pth")
            keeper.look()
        assert keeper.current.gru.network.compact is not None


def _damage(folder: Path, fit: Fit) -> None:
    content = bytearray((folder / "model.pth").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "model.pth").write_bytes(content)


def _cut(folder: Path, fit: Fit) -> None:
    content = (folder / "model.pth").read_bytes()
    (folder / "model.pth").write_bytes(content[:-100])


def _no_candidate(folder: Path, fit: Fit) -> None:
    (folder / "stock.txt").write_text("98\n99\n")


def _other_ids(folder: Path, fit: Fit) -> None:
    fit(as_text=True).save(folder / "model.pth")


def _remove(folder: Path, fit: Fit) -> None:
    (folder / "model.pth").unlink()


@pytest.mark.parametrize("change", [_damage, _cut, _no_candidate, _other_ids, _remove])
def test_what_cannot_be_used_is_refused_once_and_the_old_model_stays(
    keeper: Any, fit: Fit, tmp_path: Path, change: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = keeper.current
    change(tmp_path, fit)
    for _ in range(3):
        keeper.look()
    assert keeper.current is before
    assert keeper.told == [False]
    assert caplog.text.count("the old model goes on") == 1
    (tmp_path / "stock.txt").write_text("1\n")
    fit(seed=2).save(tmp_path / "model.pth")
    keeper.look()
    assert keeper.current.gru.digest == fit(seed=2).digest


def test_of_a_folder_the_newest_model_is_taken(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no \.pth file in"):
        newest_model(tmp_path)
    for second, name in enumerate(("b", "c", "a")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.pth").touch()
        os.utime(tmp_path / name / "model.pth", (second, second))
    (tmp_path / "a" / ".model.pth.temporary.pth").touch()
    assert newest_model(tmp_path) == tmp_path / "a" / "model.pth"
    assert newest_model(tmp_path / "c" / "model.pth") == tmp_path / "c" / "model.pth"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("stock.txt", "seven", "by integers; 'seven' is none"),
        ("stock.txt", b"\xff\xfe\x00", "cannot be read as text, an id a line"),
        ("stock.txt", "", "candidates is empty"),
        ("stock.txt", None, "cannot be read: No such file"),
        ("titles.txt", "seven\tShoe", "'seven' is none"),
        ("model.pth", "no model", "cannot be read as a model file"),
    ],
)
def test_at_the_start_a_bad_file_is_an_error(
    fit: Fit, tmp_path: Path, file: str, content: Any, message: str
) -> None:
    fit().save(tmp_path / "model.pth")
    (tmp_path / "stock.txt").write_text("1")
    (tmp_path / "titles.txt").write_text("1\tShoe")
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content.encode() if isinstance(content, str) else content)
    options = ServerOptions(
        model=tmp_path / "model.pth",
        device="cpu",
        shortlists={"stock": tmp_path / "stock.txt"},
        titles=tmp_path / "titles.txt",
    )
    with pytest.raises(GRU4RecError, match=message):
        ModelKeeper(options)


def test_sessions_go_on_with_the_newer_model(fit: Fit, tmp_path: Path) -> None:
    fit().save(tmp_path / "model.pth")
    options = ServerOptions(model=tmp_path / "model.pth", device="cpu", reload_seconds=0.05)
    newer = fit(n_items=40, seed=3, layers=[7, 4])
    with TestClient(create_app(options)) as client:

        def click(item: int) -> Any:
            return client.post("/sessions/anna/events", json={"events": [{"item": item}]}).json()

        click(3)
        assert click(35)["unknown"] == 1
        newer.save(tmp_path / "model.pth")
        for _ in range(600):
            if client.get("/model").json()["digest"] == newer.digest:
                break
        answer = click(4)
        assert answer["model"] == newer.digest
        best = newer.recommend([[3, 35, 4]])
        assert [row["item"] for row in answer["items"]] == best["item"].tolist()
        assert 'gru4rec_reloads_total{outcome="taken"} 1.0' in client.get("/metrics").text


def test_a_model_of_other_ids_is_named(keeper: Any, fit: Fit, tmp_path: Path) -> None:
    fit(as_text=True).save(tmp_path / "model.pth")
    with pytest.raises(DataError, match="ids of another kind"):
        keeper._load(keeper._stamps(), keeper.current)
