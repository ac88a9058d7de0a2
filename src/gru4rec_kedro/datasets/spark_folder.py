"""Folders of Parquet files that Spark writes, whole or not at all."""

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import ibis.expr.types as ir

from gru4rec_kedro.errors import UnwritableError

_COMPLETE = "_SUCCESS"  # which Spark writes last


def write_folder(table: ir.Table, final: Path) -> None:
    """Lets Spark write a table as a folder of Parquet files, in place of what is there.

    Raises:
        UnwritableError: This machine does not see what Spark has written.
    """
    temporary = _beside(final)
    try:
        # an absolute path without a scheme is also one of a volume of Databricks
        table.to_parquet(str(temporary.absolute()))
        if not (temporary / _COMPLETE).exists():
            raise UnwritableError(
                f"Spark has written {temporary.absolute()} where this machine does not see it; set "
                "outputs in globals.yml to a folder that all machines of Spark share, such as one "
                "of a volume (/Volumes/…)"
            )
        with set_aside(final):
            temporary.rename(final)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def set_aside(final: Path) -> Iterator[None]:
    """Moves a folder out of the way for a block that makes another; back where that fails.

    Raises:
        IsADirectoryError: The folder is somebody else's: Spark has not written it.
    """
    if final.is_dir() and not (final / _COMPLETE).exists():
        raise IsADirectoryError("a folder is there, which Spark has not written")
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
    shutil.rmtree(aside) if aside.is_dir() else aside.unlink()


def _beside(final: Path) -> Path:
    return final.with_name(f".{final.name}.{uuid.uuid4().hex}")
