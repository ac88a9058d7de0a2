"""Raw logs from files: CSV and its relatives and JSON lines as text, Parquet as it is."""

import glob
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.duckdb import Backend

from gru4rec.addresses import (
    Location,
    exists,
    files_below,
    is_remote,
    is_web,
    locate,
    matching,
    reaching,
    show,
)
from gru4rec.errors import DataError, MissingLogError
from gru4rec.preparation.engine.connection import local_connection
from gru4rec.preparation.file_kinds import (
    JSON_SUFFIXES,
    OTHER_TEXT_SUFFIXES,
    PARQUET_SUFFIXES,
    TEXT_SUFFIXES,
    LogFile,
    suffix_of,
)
from gru4rec.preparation.json_lines import open_json
from gru4rec.preparation.plain_copies import Source, make_readable
from gru4rec.preparation.stores import identify_anywhere, names_for_duckdb
from gru4rec.preparation.text_layout import find_layout, read_beginning
from gru4rec.preparation.text_options import WHITESPACE, TextOptions

# Spark's and Hadoop's files may have no suffix
_IN_FOLDERS = (
    (PARQUET_SUFFIXES | TEXT_SUFFIXES, "part-"),
    (JSON_SUFFIXES | OTHER_TEXT_SUFFIXES, ""),
)
# Ibis tables carry no notes of our own, so that a table was read as text is told by its name
_TEXT_LOG = "text_log"


def read_log(
    path: str | Location,
    *,
    delimiter: str | None = None,
    column_names: Sequence[str] | None = None,
    skip_lines: int = 0,
    comment: str | None = None,
    connection: Backend | None = None,
) -> ir.Table:
    r"""Opens a raw log; the rows are read when they are needed.

    Args:
        path: A text file with separated columns, JSON lines or Parquet, or several of one kind with
            the same columns: a folder, a glob, of which something must be there, or
            `name-{a,b}.csv`, of which both must be there. What a file is, its content tells; text
            may be compressed by gzip, zstd, bzip2 or xz. An address such as `s3://bucket/log/*.csv`
            likewise, of https:// one file; a `UPath` has the options of its store.
        delimiter: What separates the columns of a text file: up to four bytes, or `\s+` for runs
            of blanks and tabs; None finds out by the first lines.
        column_names: Names of all columns, for a text file without a header.
        skip_lines: Lines of each text file before its header, or its first row.
        comment: Lines of a text file that begin with it are left out, wherever they are.
        connection: The DuckDB connection that reads; None takes the shared one.

    Returns:
        An Ibis table. The columns of text files and JSON lines are all text, so that no id is
        altered; `load_events` tells numbers from text later.

    Raises:
        ConfigError: An option is impossible.
        MissingLogError: Nothing is there, or not all files that `{a,b}` names.
        DataError: It is not readable. Ragged rows of a text file are found only when `load_events`
            reads them.
    """
    log = locate(path, DataError)
    path = show(log)
    if column_names is not None and not isinstance(column_names, str):
        column_names = list(column_names)
    options = TextOptions.parse(
        {
            "delimiter": delimiter,
            "column_names": column_names,
            "skip_lines": skip_lines,
            "comment": comment,
        },
        origin=f"reading {path}",
    )
    try:
        files = [identify_anywhere(file) for file in _find_files(log)]
    except FileNotFoundError:
        raise _nothing_at([path]) from None
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error}") from None
    kinds = {file.kind: file for file in files}
    if len(kinds) > 1:
        found = ", ".join(f"{file.path} ({kind})" for kind, file in kinds.items())
        raise DataError(f"{path} is files of several kinds: {found}; read them one by one")
    connection = connection or local_connection()
    if "parquet" in kinds:
        return _open_parquet(connection, files)
    if "json" in kinds:
        return _open_json(connection, files)
    return _open_text(connection, files, options)


def has_log(log: Location) -> bool:
    """Tells whether there are files that `read_log` would open, without opening them.

    Raises:
        DataError: It is a Delta table.
        OSError: The store cannot be reached, or refuses.
    """
    try:
        return exists(_find_files(log)[0])
    except MissingLogError:
        return False


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
    """Finds the first Parquet file that cannot be read to its end, by reading them one by one.

    Args:
        files: They, or folders of them.
    """
    folders = (sorted(path.glob("*.parquet")) if path.is_dir() else [path] for path in files)
    for file in itertools.chain.from_iterable(folders):
        try:
            duckdb.connect().execute(
                "SELECT bit_xor(hash(log)) FROM read_parquet(?) AS log", [glob.escape(str(file))]
            )
        except duckdb.Error:
            return file
    return None


def _find_files(log: Location) -> list[Location]:
    if is_remote(log) and is_web(log):
        return [log]
    with reaching(log):
        is_folder = log.is_dir()
    if is_folder:
        return _find_files_in(log)
    if exists(log):
        return [log]
    found = {name: matching(name, log) for name in _expand_braces(str(log))}
    missing = [name for name, files in found.items() if not files]
    if missing:
        raise _nothing_at(missing)
    paths = [file for files in found.values() for file in files]
    return [file for path in paths for file in (_find_files_in(path) if path.is_dir() else [path])]


def _nothing_at(names: Sequence[str]) -> MissingLogError:
    return MissingLogError(
        f"No file is at {' nor at '.join(names)}; check the path (a glob must match something)"
    )


def _find_files_in(folder: Location) -> list[Location]:
    """All logs in a folder and below; what is, or is in, `_SUCCESS` or `.part` is none."""
    if (folder / "_delta_log").is_dir():
        raise DataError(
            f"{folder} is a Delta table, which may hold files that it has deleted; export it as "
            "Parquet, or read it with Spark or the package deltalake and give what they return"
        )
    present = [
        file
        for file in files_below(folder)
        if not any(part.startswith((".", "_")) for part in file.parts[len(folder.parts) :])
    ]
    # what is less surely a log counts where there is nothing else: a folder of CSV files may have
    # a .json or .log that describes them
    for suffixes, prefix in _IN_FOLDERS:
        if files := [file for file in present if _is_named(file, suffixes, prefix)]:
            return files
    raise MissingLogError(
        f"The folder {folder} has no file that ends in one of "
        f"{', '.join(sorted(suffixes for those, _ in _IN_FOLDERS for suffixes in those))}; check "
        "the path, or give a glob"
    )


def _is_named(file: Location, suffixes: set[str], prefix: str) -> bool:
    return suffix_of(Path(file.name)) in suffixes or bool(prefix and file.name.startswith(prefix))


def _expand_braces(path: str) -> list[str]:
    """Writes `log-{a,b}.csv` out as `log-a.csv` and `log-b.csv`, as a shell does."""
    braces = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if braces is None:
        return [path]
    before, after = path[: braces.start()], path[braces.end() :]
    return [
        name for choice in braces[1].split(",") for name in _expand_braces(before + choice + after)
    ]


def _open_parquet(connection: Backend, files: list[LogFile]) -> ir.Table:
    names = names_for_duckdb(connection, [file.path for file in files])
    try:
        if keys := _folder_keys(files):
            own = connection.read_parquet(names, hive_partitioning=False)
            if keys.intersection(own.columns):
                return own
        return connection.read_parquet(names)
    except duckdb.Error as error:
        raise DataError(
            f"Cannot read {files[0].path} as Parquet: {str(error).splitlines()[0]}. "
            "The file may be cut off or of another kind; export it again"
        ) from None


def _folder_keys(files: list[LogFile]) -> set[str]:
    """Names that DuckDB takes from folders such as `day=2`, also in place of a file's columns."""
    folders = [part for file in files for part in file.path.absolute().parent.parts]
    return {part.partition("=")[0] for part in folders if "=" in part}


def _open_json(connection: Backend, files: list[LogFile]) -> ir.Table:
    paths, compression = make_readable([Source(file) for file in files])
    name = ibis.util.gen_name(_TEXT_LOG)
    try:
        return open_json(connection, paths, compression, files[0], name)
    except duckdb.Error as error:
        raise DataError(
            f"Cannot read {files[0].path} as JSON: {str(error).splitlines()[0]}. An object for "
            "each event is expected, one a line"
        ) from None


def _open_text(connection: Backend, files: list[LogFile], options: TextOptions) -> ir.Table:
    beginnings = [read_beginning(file, options) for file in files]
    layout = find_layout(beginnings, options)
    blanks = layout.delimiter == WHITESPACE
    paths, compression = make_readable(
        [
            Source(file, beginning.before, beginning.quoted_before, options.comment, blanks)
            for file, beginning in zip(files, beginnings, strict=True)
        ]
    )
    # what folders such as `day=2` say does not take the place of the file's own columns
    own_columns = {"hive_partitioning": False} if _folder_keys(files) & set(layout.names) else {}
    try:
        return connection.read_csv(
            [glob.escape(str(path)) for path in paths],
            table_name=ibis.util.gen_name(_TEXT_LOG),
            columns=dict.fromkeys(layout.names, "VARCHAR"),
            auto_detect=False,
            header=False,
            skip=layout.skip,
            delim="\t" if blanks else layout.delimiter,
            quote="" if blanks else '"',
            escape="" if blanks else '"',
            compression=compression,
            hive_types_autocast=False,
            **own_columns,
        )
    except duckdb.Error as error:
        raise DataError(f"Cannot read {files[0].path}: {str(error).splitlines()[0]}") from None
