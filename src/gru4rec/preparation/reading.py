"""Raw logs from files: CSV and its relatives as text, Parquet as it is."""

import codecs
import csv
import glob
import gzip
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from gru4rec.errors import DataError, MissingLogError
from gru4rec.files import check_local
from gru4rec.preparation.connection import local_connection

_PARQUET = {".parquet", ".pq"}
_TEXT = {".csv", ".tsv", ".txt", ".dat"}
_DELIMITERS = ",;\t|"
# Ibis tables carry no notes of our own, so that a table was read as text is told by its name
_TEXT_LOG = "text_log"


def read_log(
    path: str | Path,
    *,
    delimiter: str | None = None,
    column_names: Sequence[str] | None = None,
    connection: Backend | None = None,
) -> ir.Table:
    """Opens a raw log; the rows are read when they are needed.

    Args:
        path: A `.csv`, `.tsv`, `.txt`, `.dat` (each also with `.gz`), `.parquet` or `.pq` file,
            or several of one kind with the same columns: a folder, a glob, of which something
            must be there, or `name-{a,b}.csv`, of which both must be there.
        delimiter: What separates the columns of a text file; None finds out by the first line.
        column_names: Names of all columns, for a text file without a header.
        connection: The DuckDB connection that reads; None takes the shared one.

    Returns:
        An Ibis table. The columns of a text file are all text, so that no id is altered;
        `load_events` tells numbers from text later.

    Raises:
        MissingLogError: Nothing is there, or not all files that `{a,b}` names.
        DataError: It is not readable as what its name says. Ragged rows of a text file are found
            only when `load_events` reads them.
    """
    check_local(path, DataError)
    files = _find_files(str(path))
    suffixes = {_suffix(file) for file in files}
    if len(suffixes) > 1 or not suffixes <= _PARQUET | _TEXT:
        raise DataError(
            f"Cannot tell how to read {path}: its suffix is {', '.join(sorted(suffixes)) or 'none'}"
            f", but one of {', '.join(sorted(_PARQUET | _TEXT))} is expected"
        )
    for file in files:
        _refuse_unreadable(file)
    connection = connection or local_connection()
    if suffixes <= _PARQUET:
        return _open_parquet(connection, files)
    return _open_text(connection, files, delimiter, column_names)


def is_text_log(table: ir.Table) -> bool:
    """Tells whether a table comes from a text file that `read_log` opened."""
    return any(_TEXT_LOG in node.name for node in table.op().find(ops.DatabaseTable))


def parquet_files(table: ir.Table) -> Iterator[Path]:
    """Gives the Parquet files that a query on DuckDB reads."""
    for stored in table.op().find(ops.DatabaseTable):
        views = stored.source.con.execute(
            "SELECT sql FROM duckdb_views() WHERE view_name = ? AND sql LIKE '%read_parquet(%'",
            [stored.name],
        )
        for (view,) in views.fetchall():
            for name in re.findall(r"'((?:[^']|'')+)'", view):
                yield from map(Path, glob.glob(name.replace("''", "'")))


def find_damaged(files: Iterable[Path]) -> Path | None:
    """Finds the first Parquet file that cannot be read to its end, by reading them one by one."""
    for file in files:
        try:
            duckdb.connect().execute(
                "SELECT bit_xor(hash(log)) FROM read_parquet(?) AS log", [glob.escape(str(file))]
            )
        except duckdb.Error:
            return file
    return None


def _find_files(path: str) -> list[Path]:
    if Path(path).is_dir():
        return _find_files_in(Path(path))
    if Path(path).exists():
        return [Path(path)]
    found = {name: sorted(glob.glob(name, recursive=True)) for name in _expand_braces(path)}
    missing = [name for name, files in found.items() if not files]
    if missing:
        raise MissingLogError(
            f"No file is at {' nor at '.join(missing)}; check the path (a glob must match "
            "something)"
        )
    return [Path(file) for files in found.values() for file in files]


def _find_files_in(folder: Path) -> list[Path]:
    """All logs in a folder and below; what has a name like `_SUCCESS` or `.part` is none."""
    files = [
        file
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and _suffix(file) in _PARQUET | _TEXT
        and not file.name.startswith((".", "_"))
    ]
    if not files:
        raise MissingLogError(
            f"The folder {folder} has no file that ends in one of "
            f"{', '.join(sorted(_PARQUET | _TEXT))}; check the path"
        )
    return files


def _expand_braces(path: str) -> list[str]:
    """Writes `log-{a,b}.csv` out as `log-a.csv` and `log-b.csv`, as a shell does."""
    braces = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if braces is None:
        return [path]
    before, after = path[: braces.start()], path[braces.end() :]
    return [
        name for choice in braces[1].split(",") for name in _expand_braces(before + choice + after)
    ]


def _suffix(file: Path) -> str:
    return Path(file.stem).suffix.lower() if file.suffix == ".gz" else file.suffix.lower()


def _refuse_unreadable(file: Path) -> None:
    try:
        if file.stat().st_size == 0:
            raise DataError(f"{file} is empty; export it again")
        if _suffix(file) in _TEXT:
            _refuse_other_encoding(file)
    except (OSError, EOFError) as error:
        raise DataError(f"Cannot read {file}: {error}") from None


def _refuse_other_encoding(file: Path) -> None:
    # DuckDB 1.5 ends with an internal error that closes the whole database when it reads some
    # columns of a file that is not UTF-8, so this is checked before DuckDB sees the file
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset = 0
    with _open_bytes(file) as stream:
        try:
            while block := stream.read(1 << 22):
                decoder.decode(block)
                offset += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file} is not UTF-8 text (first at about byte {offset + error.start:,}); "
                "convert it, e.g. with iconv -t utf-8"
            ) from None


def _open_bytes(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _open_parquet(connection: Backend, files: list[Path]) -> ir.Table:
    try:
        return connection.read_parquet([glob.escape(str(file)) for file in files])
    except duckdb.Error as error:
        raise DataError(
            f"Cannot read {files[0]} as Parquet: {str(error).splitlines()[0]}. "
            "The file may be cut off or of another kind; export it again"
        ) from None


def _open_text(
    connection: Backend,
    files: list[Path],
    delimiter: str | None,
    column_names: Sequence[str] | None,
) -> ir.Table:
    first_line = _read_first_line(files[0])
    delimiter = delimiter or max(_DELIMITERS, key=first_line.count)
    fields = _split_line(first_line, delimiter, files[0])
    if column_names is None:
        _refuse_other_headers(files, first_line)
        names = [name or f"column{place}" for place, name in enumerate(fields)]
    else:
        names = list(column_names)
    if len(names) != len(fields):
        raise DataError(
            f"{files[0]} has {len(fields)} columns (separated by {delimiter!r}), but "
            f"{len(names)} column_names are given: {', '.join(names)}"
        )
    if len(set(names)) != len(names):
        raise DataError(f"{files[0]} has a column name twice: {', '.join(names)}; rename one")
    try:
        return connection.read_csv(
            [glob.escape(str(file)) for file in files],
            table_name=ibis.util.gen_name(_TEXT_LOG),
            columns=dict.fromkeys(names, "VARCHAR"),
            auto_detect=False,
            header=column_names is None,
            delim=delimiter,
            quote='"',
            escape='"',
        )
    except duckdb.Error as error:
        raise DataError(f"Cannot read {files[0]}: {str(error).splitlines()[0]}") from None


def _split_line(line: str, delimiter: str, file: Path) -> list[str]:
    try:
        fields = next(csv.reader([line], delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise DataError(
            f"The first line of {file} is no line of a text file with columns ({error}): "
            f"{line[:80]!r}; mend it, and end lines with \\n"
        ) from None
    if not fields:
        raise DataError(f"The first line of {file} is empty; it should name the columns")
    return fields


def _read_first_line(file: Path) -> str:
    with _open_bytes(file) as stream:
        return stream.readline().decode("utf-8-sig").rstrip("\r\n")


def _refuse_other_headers(files: list[Path], header: str) -> None:
    for file in files[1:]:
        if (other := _read_first_line(file)) != header:
            raise DataError(
                f"{file} has other columns than {files[0]}: {other!r} and {header!r}; "
                "read them one by one, or make their headers equal"
            )
