"""Files on this machine: written whole or not at all, and there after a power cut."""

import contextlib
import errno
import glob
import os
import re
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from gru4rec.errors import GRU4RecError

# a temporary file that nothing was written to for so long is of a writer that was killed; when it
# is younger, another process may be at work on it
_STALE_SECONDS = 24 * 60 * 60
# what systems answer that sync no folders: Windows does not even open them
_NO_SYNC = {errno.EACCES, errno.EBADF, errno.EINVAL}
# what an address begins with, also when pathlib made one slash of two; C:/ is a drive of Windows
_SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]+:[:/\\]")


def check_local(path: object, error: type[GRU4RecError]) -> Path:
    """Refuses what is no path on this machine, such as `s3://bucket/model.pth`.

    Otherwise a local folder of the name `s3:` would be made, or looked for.

    Args:
        path: Text or a path.
        error: What is raised.

    Returns:
        It as a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise error(f"a path is expected, not {type(path).__name__}")
    if _SCHEME.match(str(path)):
        # neither login nor signature
        shown = re.sub("//[^/]*@", "//…@", str(path).partition("?")[0])
        raise error(
            f"{shown[:200]} is no local path, and only local paths are read and written; copy it "
            "here, or mount it, and give the local path"
        )
    return Path(path)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside a file; what is written there takes its place at the end.

    Where the block raises, or the process is killed in it, the file is as it was. What writers
    of it that were killed a day ago or longer have left is removed.

    Raises:
        OSError: The file cannot take its place, or the system cannot promise that it stays there.
    """
    with contextlib.suppress(OSError):
        _remove_stale(path)
    # not from tempfile, whose files only their owner may read
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        # gone already if all went well
        with contextlib.suppress(OSError):
            temporary.unlink()
    _sync_folder(path.parent)


def make_folders(folder: Path) -> None:
    """Makes a folder and those above it, where they are not there, to stay after a power cut.

    Raises:
        OSError: They cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        _sync_folder(made.parent)


def _sync_folder(folder: Path) -> None:
    """Writes the names in a folder to the disk; nothing where the system syncs no folders."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def remove_stale(temporaries: Iterable[Path]) -> None:
    """Removes temporary files that nobody is at work on any more: not touched for a day.

    Raises:
        OSError: They cannot be removed.
    """
    before = time.time() - _STALE_SECONDS
    for temporary in temporaries:
        if temporary.stat().st_mtime < before:
            temporary.unlink()


def _remove_stale(path: Path) -> None:
    pattern = f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}"
    versions = path.parent.parent  # each in a folder of its own, these in one of the file's name
    is_version = versions.name == path.name
    remove_stale(versions.glob(f"*/{pattern}") if is_version else path.parent.glob(pattern))
