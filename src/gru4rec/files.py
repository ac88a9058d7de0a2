"""Files are written whole or not at all."""

import contextlib
import os
import uuid
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary name beside a file; what is written there takes its place at the end.

    Where the block raises, or the process is killed in it, the file is as it was.

    Raises:
        OSError: The file cannot take its place.
    """
    # not from tempfile, whose files only their owner may read
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        # gone already if all went well
        with contextlib.suppress(OSError):
            temporary.unlink()
