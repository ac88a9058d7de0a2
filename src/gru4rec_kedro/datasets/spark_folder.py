"""Folders of Parquet files that Spark writes, whole or not at all."""

import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import ibis.expr.types as ir

from gru4rec.files import remove, remove_left
from gru4rec_kedro.errors import UnwritableError

COMPLETE = "_SUCCESS"  # which Spark writes last


def write_folder(table: ir.Table, final: Path) -> None:
    """Lets Spark write a table as a folder of Parquet files, in place of what is there.

    Raises:
        UnwritableError: This machine does not see what Spark has written.
    """
    with in_place_of(final) as temporary:
        # an absolute path without a scheme is also one of a volume of Databricks
        table.to_parquet(str(temporary.absolute()))
        if not (temporary / COMPLETE).exists():
            raise UnwritableError(
                f"Spark has written {temporary.absolute()} where this machine does not see it; set "
                "outputs in globals.yml to a folder that all machines of Spark share, such as one "
                "of a volume (/Volumes/…)"
            )


@contextlib.contextmanager
def in_place_of(final: Path) -> Iterator[Path]:
    """Gives a name beside a file or folder; what is written there takes its place at the end.

    Until then it is there and may be read. Where the block raises, it stays.

    Raises:
        IsADirectoryError: The folder is somebody else's: Spark has not written it.
    """
    if final.is_dir() and not (final / COMPLETE).exists():
        raise IsADirectoryError("a folder is there, which Spark has not written")
    with contextlib.suppress(OSError):
        remove_left(final)
    temporary = _beside(final)
    try:
        yield temporary
        with _set_aside(final):
            temporary.rename(final)
    finally:
        with contextlib.suppress(OSError):
            remove(temporary)


@contextlib.contextmanager
def _set_aside(final: Path) -> Iterator[None]:
    """Moves what is there out of the way for a block that moves another there; back if it fails."""
    aside = _beside(final)
    try:
        final.rename(aside)
    except FileNotFoundError:
        yield
        return
    try:
        yield
    except BaseException:
        aside.rename(final)
        raise
    remove(aside)


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid.uuid4().hex}")
