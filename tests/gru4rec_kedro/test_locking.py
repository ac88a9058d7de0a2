"""Locks among processes: holders are processes of their own, which say when they have it."""

import json
import logging
import subprocess
import sys
import threading

import pytest
from filelock import FileLock

from gru4rec_kedro import locking
from gru4rec_kedro.errors import FolderInUseError
from gru4rec_kedro.locking import FolderLock

HOLDER = """
import sys
from pathlib import Path
from gru4rec_kedro.locking import FolderLock
folder, group = Path(sys.argv[1]), sys.argv[2] or None
with FolderLock(folder, folder / "notes", group):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def hold(tmp_path):
    """Starts a process that holds the folder until it is told to leave."""
    started = []

    def start(group=""):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), group],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def lock(tmp_path):
    def make(group=None):
        return FolderLock(tmp_path, tmp_path / "notes", group)

    return make


def notes(folder):
    return sorted(path.suffix for path in (folder / "notes").iterdir() if path.name != "lock")


def test_a_folder_in_use_is_refused_and_its_holder_named(hold, lock):
    holder = hold()
    with pytest.raises(FolderInUseError) as caught, lock():
        pass
    message = str(caught.value)
    assert f"in use by the process {holder.pid} on " in message
    assert "since 20" in message
    assert " -c " in message
    assert len(message) < 600


def test_the_note_tells_no_secret(lock, tmp_path, monkeypatch):
    signed = "--params=events=https://x.org/a.csv?sig=hunter2/b==,outputs=s3://shop/run"
    store = "tuning.store=postgresql+psycopg://me:hunter2@host/db"
    monkeypatch.setattr(sys, "orig_argv", ["/usr/bin/python", "-m", "kedro", "run", signed, store])
    with lock(), pytest.raises(FolderInUseError) as caught, lock():
        pass
    assert "--params=events=https://x.org/a.csv,outputs=s3://shop/run" in str(caught.value)
    assert "postgresql+psycopg://…@host/db" in str(caught.value)
    with lock():
        note = "".join(path.read_text() for path in (tmp_path / "notes").glob("*.json"))
    assert "https://x.org/a.csv" in note
    assert "hunter2" not in f"{caught.value}{note}"


def test_who_dies_holds_nothing(hold, lock, tmp_path):
    holder = hold()
    holder.kill()
    holder.wait()
    assert notes(tmp_path) == [".json", ".lock"]
    with lock():
        assert notes(tmp_path) == [".json", ".lock"]
    assert notes(tmp_path) == []


def test_the_wait_ends_with_the_holder(hold, lock, caplog, monkeypatch):
    monkeypatch.setattr(locking, "_POLL_SECONDS", 0.01)
    holder = hold()
    ours, has_it = lock(), threading.Event()

    def wait():
        ours.acquire(wait=True)
        has_it.set()

    with caplog.at_level(logging.INFO):
        thread = threading.Thread(target=wait)
        thread.start()
        assert not has_it.wait(0.1)
        holder.communicate("leave\n")
        assert has_it.wait(60)
        thread.join()
    assert len(caplog.messages) == 1  # once, not at each look
    assert f"process {holder.pid} " in caplog.text
    assert "waiting until it has ended" in caplog.text
    with pytest.raises(FolderInUseError), lock():  # another thread has taken it
        pass
    ours.release()


def test_a_group_shares_the_folder_with_nobody_else(hold, lock):
    hold("study")
    with lock("study"):
        for other in (None, "another study"):
            with pytest.raises(FolderInUseError), lock(other):
                pass


def test_threads_of_one_process_keep_each_other_out(lock):
    with lock(), pytest.raises(FolderInUseError), lock():
        pass
    with lock():
        pass


@pytest.mark.parametrize("why", ["no folder", "no locks"])
def test_where_nothing_can_be_locked_a_warning_says_so(lock, tmp_path, caplog, monkeypatch, why):
    if why == "no folder":
        (tmp_path / "notes").touch()
    else:

        def fail(*_, **__):
            raise OSError(37, "No locks available")

        monkeypatch.setattr(FileLock, "acquire", fail)
    with lock():
        pass
    assert "cannot be locked" in caplog.text
    assert "make sure yourself that nothing else writes there" in caplog.text


def test_a_holder_of_another_machine_that_left_without_a_word_is_told(lock, tmp_path, caplog):
    (tmp_path / "notes").mkdir()
    note = {"command": "kedro run", "pid": 7, "host": "other", "since": "2026", "group": None}
    (tmp_path / "notes/left.json").write_text(json.dumps(note))
    with lock():
        pass
    assert "the process 7 on other since 2026 (kedro run), which has left without" in caplog.text
    assert notes(tmp_path) == []
