"""The model that is served, and newer ones that take its place."""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gru4rec.addresses import Location, files_below, locate, reaching, show
from gru4rec.errors import DataError, GRU4RecError, ModelFileError
from gru4rec.recommender import GRU4Rec
from gru4rec.server.options import ServerOptions
from gru4rec.serving.shortlist import Shortlist

logger = logging.getLogger(__name__)

# what tells one state of a file from another
Stamp = tuple[str, int, int, int]


@dataclass(frozen=True)
class Served:
    """A model with what belongs to it; never changed, so a request has one to its end.

    Attributes:
        gru: The model.
        shortlists: The only items to recommend, by name.
        titles: Titles of items, by id.
        stamps: States of the files that it was read from; the first is the model's.
        loaded_at: When.
    """

    gru: GRU4Rec
    shortlists: dict[str, Shortlist]
    titles: dict[Any, str]
    stamps: tuple[Stamp, ...]
    loaded_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def file(self) -> Location:
        """The model file."""
        return locate(self.stamps[0][0], ModelFileError)


class ModelKeeper:
    """Keeps the model that is served, and looks for newer files.

    Args:
        options: Names the files.
        on_reload: Is told whether a newer model was taken (True) or refused (False).

    Attributes:
        current: What is served; a newer one takes its place between two requests.

    Raises:
        GRU4RecError: There is no model, or a file cannot be used.
    """

    def __init__(
        self, options: ServerOptions, on_reload: Callable[[bool], None] = lambda _: None
    ) -> None:
        self._options, self._on_reload = options, on_reload
        self._failure: tuple[tuple[Stamp, ...], str] = ((), "")  # the last, told once
        self._stopped = threading.Event()
        self.current = self._load(self._stamps(), None)

    def look(self) -> None:
        """Takes files that are newer than those that are served; damaged ones are refused once."""
        stamps: tuple[Stamp, ...] = ()
        try:
            stamps = self._stamps()
            if stamps in (self.current.stamps, self._failure[0]):
                return
            self.current = self._load(stamps, self.current)
        except Exception as error:  # whatever it is, the old model goes on
            before, self._failure = self._failure, (stamps, str(error))
            if self._failure != before:
                is_bug = not isinstance(error, GRU4RecError)
                logger.error("%s; the old model goes on", error, exc_info=is_bug)
                self._on_reload(False)
            return
        logger.info("%s is served: %s", self.current.file, self.current.gru.digest)
        self._on_reload(True)

    def watch(self) -> None:
        """Looks every `reload_seconds`, in a thread, until `stop` is called."""
        if self._options.reload_seconds:
            threading.Thread(target=self._watch, name="model files", daemon=True).start()

    def stop(self) -> None:
        """Ends `watch`."""
        self._stopped.set()

    def _watch(self) -> None:
        while not self._stopped.wait(self._options.reload_seconds):
            self.look()

    def _stamps(self) -> tuple[Stamp, ...]:
        options = self._options
        files = [newest_model(locate(options.model, ModelFileError)), *options.shortlists.values()]
        return tuple(
            _stamp(file) for file in (*files, *([options.titles] if options.titles else []))
        )

    def _load(self, stamps: tuple[Stamp, ...], before: Served | None) -> Served:
        options = self._options
        if before and before.stamps[0] == stamps[0]:
            gru = before.gru
        else:
            gru = GRU4Rec.load(stamps[0][0], options.device)
            if options.compact:
                gru.add_compact_copy()
        if before and before.gru.vocabulary.holds_text != gru.vocabulary.holds_text:
            raise DataError(
                f"{stamps[0][0]} has item ids of another kind (text against integers) than the "
                "model that is served, and no session could go on; start a new server"
            )
        shortlists = {
            name: gru.shortlist([gru.vocabulary.from_text(line) for line in read_lines(file)])
            for name, file in options.shortlists.items()
        }
        titles = _read_titles(options.titles, gru) if options.titles else {}
        # the first request is not to wait for the digest, or for loops to be compiled: those of a
        # few sessions, of many, and of one with a compact copy
        first = gru.vocabulary.ids[:1].tolist()
        gru.network.few_sessions()
        gru.recommend([first] * 20)
        live = gru.live_session()
        live.add(first[0])
        live.recommend()
        live.state()
        return Served(gru, shortlists, titles, stamps)


def newest_model(path: Location) -> Location:
    """Returns a file itself; of a folder, the `.pth` file below it that was written last.

    Raises:
        ModelFileError: There is none.
    """
    if not path.is_dir():
        return path
    files = [file for file in files_below(path) if file.suffix == ".pth" and file.name[0] != "."]
    if not files:
        raise ModelFileError(f"there is no .pth file in {path}; train and save a model first")
    return max(files, key=lambda file: (file.stat().st_mtime_ns, str(file)))


def read_lines(file: Path) -> Iterable[str]:
    """Reads a text file's lines, but for empty ones.

    Raises:
        DataError: It cannot be read.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise DataError(f"{file} cannot be read as text, an id a line: {error}") from None
    return [line.strip() for line in lines if line.strip()]


def _read_titles(file: Path, gru: GRU4Rec) -> dict[Any, str]:
    parts = [line.partition("\t") for line in read_lines(file)]
    return {gru.vocabulary.from_text(item.strip()): title.strip() for item, _, title in parts}


def _stamp(file: Location) -> Stamp:
    try:
        with reaching(file):
            status = file.stat()
    except OSError as error:
        raise DataError(f"{show(file)} cannot be read: {error.strerror or error}") from None
    return str(file), status.st_mtime_ns, status.st_size, status.st_ino
