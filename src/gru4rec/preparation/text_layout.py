"""How a text file is laid out: where its rows begin, what separates and what names the columns."""

import csv
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gru4rec.errors import DataError
from gru4rec.frames.headers import hint_at_header
from gru4rec.preparation.file_kinds import LogFile, suffix_of
from gru4rec.preparation.text_options import WHITESPACE, TextOptions

_DELIMITERS = (",", ";", "\t", "|", "::", "\x01")  # the last is Hive's
_HEAD = 1 << 20  # characters
_SAMPLE = 20  # lines


@dataclass(frozen=True)
class Beginning:
    """The first lines of a file.

    Attributes:
        path: The file.
        before: Lines that are neither header nor row.
        quoted_before: Whether DuckDB would take a quote in these for the begin of a long value.
        told: The delimiter that a line `sep=;` tells, as spreadsheets write it.
        lines: Header and first rows, without blank lines and comments; at least one.
    """

    path: Path
    before: int
    quoted_before: bool
    told: str | None
    lines: list[str]


@dataclass(frozen=True)
class Layout:
    """How all files of a log are laid out.

    Attributes:
        skip: Lines before the first row.
        delimiter: What separates the columns.
        names: Of the columns.
    """

    skip: int
    delimiter: str
    names: list[str]


def read_beginning(file: LogFile, options: TextOptions) -> Beginning:
    """Reads the first lines of a text file.

    Raises:
        DataError: There is no line but those to be left out.
    """
    with file.open_text() as text:
        head = text.read(_HEAD)
    lines = head.split("\n")
    if len(head) == _HEAD and len(lines) > 1:
        lines.pop()  # is cut off
    before, told = options.skip_lines, None
    if before < len(lines) and (separator := re.fullmatch('"?sep=(.)"?', lines[before])):
        before, told = before + 1, separator[1]
    while before < len(lines) and _is_no_row(lines[before], options):
        before += 1
    rows = [line for line in lines[before:] if not _is_no_row(line, options)][:_SAMPLE]
    if not rows:
        raise DataError(
            f"{file.path} has no line with columns (skip_lines is {options.skip_lines}); the first "
            "one should name the columns"
        )
    quoted = any(line.count('"') % 2 for line in lines[:before])
    return Beginning(file.path, before, quoted, told, rows)


def _is_no_row(line: str, options: TextOptions) -> bool:
    return not line.strip() or (options.comment is not None and line.startswith(options.comment))


def find_layout(beginnings: Sequence[Beginning], options: TextOptions) -> Layout:
    """Finds out how files that belong together are laid out.

    Raises:
        DataError: They are laid out in different ways, or not as the options say; or names of
            columns are missing, or there twice.
    """
    first = beginnings[0]
    n_columns = len(options.column_names) if options.column_names else None
    delimiter = options.delimiter or first.told or _guess_delimiter(first.lines, n_columns)
    fields = split_line(first.lines[0], delimiter, first.path)
    _refuse_other_beginnings(beginnings, options)
    if options.column_names:
        names = options.column_names
        _refuse_other_names(first.path, fields, names, delimiter)
    else:
        _refuse_other_rows(first, fields, delimiter)
        names = [field.strip() or f"column{place}" for place, field in enumerate(fields)]
        if suffix_of(first.path) == ".inter":  # RecBole's names end in types
            names = [re.sub(r":(token|float)(_seq)?$", "", name) for name in names]
    _refuse_repeated_names(first.path, names)
    return Layout(first.before + (options.column_names is None), delimiter, names)


def split_line(line: str, delimiter: str, path: Path) -> list[str]:
    """Splits a line into its columns.

    Raises:
        DataError: It has quotes where none may be.
    """
    if delimiter == WHITESPACE:
        return line.split()
    if len(delimiter) > 1:  # the module csv has single characters only
        parts = line.split('"')
        parts[::2] = [part.replace(delimiter, "\x1f") for part in parts[::2]]
        line, delimiter = '"'.join(parts), "\x1f"
    try:
        return next(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error as error:
        raise DataError(
            f"The first lines of {path} are no lines of a text file with columns ({error}): "
            f"{line[:80]!r}; mend them, or set delimiter, or skip_lines if the columns begin below"
        ) from None


def _guess_delimiter(lines: Sequence[str], n_columns: int | None) -> str:
    """Takes what fits the number of columns, else what is most often in the first line."""
    plain = [_without_quoted(line) for line in lines]
    found = [delimiter for delimiter in _DELIMITERS if delimiter in plain[0]]
    found.sort(key=plain[0].count, reverse=True)
    # "a||b" and "a, b": nowhere is the single character alone
    longer = [
        two
        for one in found
        for two in (one + one, one + " ")
        if all(
            two in line and line.count(one) == line.count(two) * two.count(one) for line in plain
        )
    ]
    candidates = [*longer, *found, *([] if found else _guess_blanks(plain))]
    if n_columns is not None:
        fitting = [one for one in candidates if _count_columns(plain[0], one) == n_columns]
        candidates = [*fitting, *candidates]
    return candidates[0] if candidates else _DELIMITERS[0]


def _guess_blanks(lines: Sequence[str]) -> list[str]:
    for delimiter in (" ", WHITESPACE):
        counts = {_count_columns(line, delimiter) for line in lines}
        if len(lines) > 1 and len(counts) == 1 and counts != {1}:
            return [delimiter]
    return []


def _count_columns(line: str, delimiter: str) -> int:
    return len(line.split(None if delimiter == WHITESPACE else delimiter))


def _without_quoted(line: str) -> str:
    return "_".join(line.split('"')[::2])


def _refuse_other_beginnings(beginnings: Sequence[Beginning], options: TextOptions) -> None:
    first = beginnings[0]
    for other in beginnings[1:]:
        if (other.before, other.told) != (first.before, first.told):
            raise DataError(
                f"The columns of {other.path} begin after {other.before} lines, those of "
                f"{first.path} after {first.before}; read them one by one, or make them equal"
            )
        if options.column_names is None and other.lines[0] != first.lines[0]:
            hint = hint_at_header(re.split(r"[^\w.+-]+", first.lines[0]))
            raise DataError(
                f"{other.path} has other columns than {first.path}: {other.lines[0][:200]!r} and "
                f"{first.lines[0][:200]!r}. "
                + (hint or "Read them one by one, or make their headers equal")
            )


def _refuse_other_names(
    path: Path, fields: Sequence[str], names: Sequence[str], delimiter: str
) -> None:
    if len(names) != len(fields):
        raise DataError(
            f"{path} has {len(fields)} columns (separated by {delimiter!r}), but "
            f"{len(names)} column_names are given: {', '.join(names)}"
        )
    if [field.strip() for field in fields] == list(names):
        raise DataError(
            f"The first line of {path} has the column_names itself ({', '.join(names)}); leave "
            "column_names out, or set skip_lines: 1"
        )


def _refuse_other_rows(beginning: Beginning, header: Sequence[str], delimiter: str) -> None:
    """Compares the header with the rows below it; some of these may be ragged, but not most."""
    # a value that goes on in the next line has an odd number of quotes here
    rows = [*itertools.takewhile(lambda line: line.count('"') % 2 == 0, beginning.lines[1:])]
    lengths = [len(split_line(row, delimiter, beginning.path)) for row in rows]
    if not rows or (usual := Counter(lengths).most_common(1)[0][0]) == len(header):
        return
    example = rows[lengths.index(usual)]
    raise DataError(
        f"{beginning.path} has {len(header)} column(s) in its first line, but {usual} below "
        f"(separated by {delimiter!r}): {beginning.lines[0][:80]!r} and {example[:80]!r}. "
        "If the columns are separated otherwise, set delimiter; if the header is further below, "
        "skip_lines, or comment for lines that begin with '#' or the like; if the header does not "
        "name all columns, skip_lines: 1 and column_names"
    )


def _refuse_repeated_names(path: Path, names: Sequence[str]) -> None:
    # DuckDB does not tell capitals from small letters in names
    repeated = [name for name, n in Counter(name.lower() for name in names).items() if n > 1]
    if repeated:
        hint = hint_at_header(names) or "Rename one; capitals do not count"
        raise DataError(f"{path} has a column name twice: {', '.join(names)}. {hint}")
