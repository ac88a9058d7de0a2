"""Files are written whole or not at all, and are there after a power cut."""

import contextlib
import errno
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from gru4rec.addresses import Location, is_remote, uploaded

# a temporary file that nothing was written to for so long is of a writer that was killed; when it
# is younger, another process may be at work on it
_STALE_SECONDS = 24 * 60 * 60
# what systems answer that sync no folders: Windows does not even open them
_NO_SYNC = {errno.EACCES, errno.EBADF, errno.EINVAL}


@contextlib.contextmanager
def written_whole(path: Location) -> Iterator[Path]:
    """Gives a temporary name beside a file; what is written there takes its place at the end.

    Where the block raises, or the process is killed in it, the file is as it was. What writers
    of it that were killed a day ago or longer have left is removed. For a file in a store the
    temporary one is on this machine, and is uploaded at the end.

    Raises:
        OSError: The file cannot take its place, or the system cannot promise that it stays there.
    """
    if is_remote(path):
        with uploaded(path) as temporary:
            yield temporary
        return
    with contextlib.suppress(OSError):
        remove_left(path)
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


def make_folders(folder: Location) -> None:
    """Makes a folder and those above it, where they are not there, to stay after a power cut.

    Stores have no folders but in the names of their files.

    Raises:
        OSError: They cannot be made.
    """
    if is_remote(folder):
        return
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
    """Removes what is temporary and nobody is at work on any more: not touched for a day.

    Raises:
        OSError: They cannot be removed.
    """
    before = time.time() - _STALE_SECONDS
    for temporary in temporaries:
        if temporary.lstat().st_mtime < before:
            remove(temporary)


def remove(path: Path) -> None:
    """Removes a file, a folder with all in it, or a link, but not what that leads to.

    Raises:
        OSError: It cannot be removed.
    """
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def remove_left(path: Path) -> None:
    """Removes what writers of a file or a folder that were killed a day ago have left beside it.

    Raises:
        OSError: It cannot be removed.
    """
    # a file that takes the place of a folder is written beside a temporary name
    is_left = re.compile(rf"\.+{re.escape(path.name)}(\.[0-9a-f]{{32}})+").fullmatch
    versions = path.parent.parent  # each in a folder of its own, these in one of the file's name
    hidden = versions.glob("*/.*") if versions.name == path.name else path.parent.glob(".*")
    remove_stale(each for each in hidden if is_left(each.name))
