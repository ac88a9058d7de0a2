"""One run at a time in a folder, with the others told who is there."""

import contextlib
import hashlib
import json
import logging
import os
import re
import shlex
import socket
import sys
import time
import uuid
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import platformdirs
from filelock import BaseFileLock, FileLock, Timeout

from gru4rec.addresses import Location, brief, is_remote, show
from gru4rec.files import make_folders
from gru4rec_kedro.errors import FolderInUseError

logger = logging.getLogger(__name__)

_POLL_SECONDS = 1.0
_GUARD_SECONDS = 60.0  # the notes are read in milliseconds; nobody holds them for so long
_LONGEST = 300  # command


class FolderLock:
    """Keeps other processes, and other threads, from working in the same folder at once.

    Each holder leaves a note of who it is and holds an advisory lock of the operating system on a
    file beside it, so a holder that dies, however it does, holds nothing. Where the file system
    has no locks, or the folder cannot be written, a warning says so and nobody is kept out.

    Args:
        folder: Where the work is; a store has no locks, and only this machine's are kept out.
        notes: Folder of the notes, which is made where it is not there; see `notes_of`.
        group: Holders of one group share the folder; None shares it with nobody.
    """

    def __init__(self, folder: Location, notes: Path, group: str | None = None) -> None:
        self._folder, self._notes, self._group = folder, notes, group
        self._held: BaseFileLock | None = None

    def acquire(self, wait: bool = False) -> None:
        """Takes the folder.

        Args:
            wait: Until others have left it; a log line says for whom.

        Raises:
            FolderInUseError: Others are at work there.
        """
        waits_for = None
        try:
            while (holder := self._try()) is not None:
                said = f"{brief(self._folder)} is in use by {_describe(holder)}"
                if not wait:
                    raise FolderInUseError(said)
                if waits_for != holder:
                    logger.info("%s; waiting until it has ended", said)
                    waits_for = holder
                time.sleep(_POLL_SECONDS)
        except (OSError, Timeout) as error:
            logger.warning(
                "%s cannot be locked (%s): make sure yourself that nothing else writes there",
                brief(self._folder),
                error,
            )

    def release(self) -> None:
        """Leaves the folder to others."""
        if self._held is None:
            return
        path = Path(self._held.lock_file)
        self._held.release()
        self._held = None
        _remove(path)

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _try(self) -> dict[str, Any] | None:
        """Takes the folder, or returns the note of who is there."""
        make_folders(self._notes)
        with FileLock(self._notes / "lock", timeout=_GUARD_SECONDS):
            for path in sorted(self._notes.glob("*.json")):
                other = _read_if_held(path)
                if other and (self._group is None or other["group"] != self._group):
                    return other
            path = self._notes / f"{uuid.uuid4().hex}.json"
            path.write_text(json.dumps(_note(self._group)), encoding="utf-8")
            held = _lock_of(path)
            held.acquire()
            self._held = held
        return None


def notes_of(folder: Location) -> Path:
    """Where holders of a folder leave notes: beside it, or for a store in the user's cache."""
    if not is_remote(folder):
        return folder.with_name(f".{folder.name}.runs")
    name = hashlib.sha256(show(folder).encode()).hexdigest()[:16]
    return Path(platformdirs.user_cache_dir("gru4rec")) / "locks" / name


def _lock_of(note: Path) -> BaseFileLock:
    # not of one thread: a run may end in another than it began in
    return FileLock(note.with_suffix(".lock"), timeout=0, thread_local=False)


def _note(group: str | None) -> dict[str, Any]:
    program, *arguments = sys.orig_argv
    command = shlex.join([Path(program).name, *map(_without_secrets, arguments)])
    return {
        "command": command if len(command) <= _LONGEST else f"{command[:_LONGEST]}…",
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": datetime.now().astimezone().isoformat(sep=" ", timespec="seconds"),
        "group": group,
    }


def _without_secrets(argument: str) -> str:
    """Shows each address in an argument such as `events=https://…,outputs=…` as messages do."""
    pieces = re.split(r",(?=[\w.-]+=)", argument)
    return ",".join(
        re.sub(r"[A-Za-z][\w+.-]*://.*", lambda found: show(found[0]), piece, flags=re.DOTALL)
        for piece in pieces
    )


def _describe(note: dict[str, Any]) -> str:
    return f"the process {note['pid']} on {note['host']} since {note['since']} ({note['command']})"


def _read_if_held(path: Path) -> dict[str, Any] | None:
    """Reads the note of a holder who lives; one of a dead holder is removed."""
    try:
        with _lock_of(path):
            pass
    except Timeout:
        note: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return note
    with contextlib.suppress(OSError, ValueError):
        note = json.loads(path.read_text(encoding="utf-8"))
        if note["host"] != socket.gethostname():
            logger.warning(
                "%s was in use by %s, which has left without a word; if it is still at work, locks "
                "do not reach from one machine to the other here: end this run",
                os.path.relpath(path.parent),
                _describe(note),
            )
    _remove(path)
    return None


def _remove(note: Path) -> None:
    for path in (note.with_suffix(".json"), note.with_suffix(".lock")):
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
