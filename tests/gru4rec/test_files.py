import errno
import os
import time
from pathlib import Path

import pytest

from gru4rec.files import make_folders, written_whole

DAY = 24 * 60 * 60


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of what is synced and renamed, as it happens."""
    happened: list[str] = []
    sync, replace = os.fsync, os.replace

    def record_sync(descriptor: int) -> None:
        happened.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name}")
        sync(descriptor)

    def record_replace(source: Path, target: Path) -> None:
        happened.append(f"rename {source.name}")
        replace(source, target)

    monkeypatch.setattr("gru4rec.files.os.fsync", record_sync)
    monkeypatch.setattr("gru4rec.files.os.replace", record_replace)
    return happened


def leave(path: Path, age: float) -> Path:
    """Leaves what a writer of a file leaves that was killed so many seconds ago."""
    path.parent.mkdir(exist_ok=True)
    with written_whole(path) as temporary:
        temporary.touch()
    path.unlink()
    temporary.write_text("half")
    os.utime(temporary, (time.time() - age,) * 2)
    return temporary


def test_takes_the_place_of_the_file_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_leaves_all_as_it_was_when_writing_fails(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the names of open files")
def test_is_on_the_disk_before_and_after_it_takes_its_place(
    tmp_path: Path, on_disk: list[str]
) -> None:
    with written_whole(tmp_path / "file") as temporary:
        temporary.write_text("new")
    name = temporary.name
    assert on_disk == [f"sync {name}", f"rename {name}", f"sync {tmp_path.name}"]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs the names of open files")
def test_new_folders_are_on_the_disk(tmp_path: Path, on_disk: list[str]) -> None:
    make_folders(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    assert sorted(on_disk) == sorted(["sync a", f"sync {tmp_path.name}"])

    make_folders(tmp_path / "a" / "b")
    assert len(on_disk) == 2


@pytest.mark.parametrize("number", [errno.EACCES, errno.EINVAL])
def test_a_system_that_syncs_no_folders_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("gru4rec.files.os.open", refuse)
    with written_whole(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert os.listdir(tmp_path) == ["file"]


def test_a_disk_that_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("gru4rec.files.os.open", fail)
    with pytest.raises(OSError, match="Input/output error"), written_whole(tmp_path / "f") as path:
        path.write_text("new")


def test_what_killed_writers_left_is_removed_once_nobody_can_be_at_work_on_it(
    tmp_path: Path,
) -> None:
    stale, young = leave(tmp_path / "m[1]", DAY + 60), leave(tmp_path / "m[1]", DAY - 60)
    others = leave(tmp_path / "m1", 2 * DAY), leave(tmp_path / "m[1].pth", 2 * DAY)
    (tmp_path / ".m[1].notes").touch()  # not ours

    with written_whole(tmp_path / "m[1]") as temporary:
        temporary.write_text("new")

    assert not stale.exists()
    assert {path.name for path in (young, *others)} | {"m[1]", ".m[1].notes"} == set(
        os.listdir(tmp_path)
    )


def test_what_killed_writers_of_earlier_versions_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / "model.pth").mkdir()
    stale = leave(tmp_path / "model.pth" / "1" / "model.pth", 2 * DAY)
    (tmp_path / "model.pth" / "2").mkdir()

    with written_whole(tmp_path / "model.pth" / "2" / "model.pth") as temporary:
        temporary.write_text("new")

    assert not stale.exists()
