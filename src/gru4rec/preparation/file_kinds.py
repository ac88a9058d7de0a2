"""What a file is: told by its first bytes, and by its name where they do not tell."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Literal, TextIO

import pyarrow as pa

from gru4rec.errors import DataError

Kind = Literal["parquet", "json", "text"]

PARQUET_SUFFIXES = {".parquet", ".pq"}
TEXT_SUFFIXES = {".csv", ".tsv", ".txt", ".dat"}
OTHER_TEXT_SUFFIXES = {".data", ".inter", ".log", ".psv", ".tab"}
JSON_SUFFIXES = {".json", ".jsonl", ".ndjson"}

_COMPRESSIONS: dict[str, tuple[bytes, Callable[[Path], Any]]] = {
    "gzip": (b"\x1f\x8b", gzip.open),
    "zstd": (b"\x28\xb5\x2f\xfd", partial(pa.input_stream, compression="zstd")),
    "bz2": (b"BZh", bz2.open),
    "xz": (b"\xfd7zXZ\0", lzma.open),
}
_COMPRESSED_SUFFIXES = {".gz", ".zst", ".bz2", ".xz"}

_UNPACK = "an archive; unpack it and read the files in it"
_SPREADSHEET = "a spreadsheet; save the sheet as CSV (UTF-8)"
_ARROW = "Arrow; give load_events pyarrow.feather.read_table(path), or write it as Parquet"
_DATABASE = "a database; export the table as Parquet or CSV"
_OTHER_SUFFIXES = {
    **dict.fromkeys([".zip", ".tar", ".tgz", ".7z", ".rar"], _UNPACK),
    **dict.fromkeys([".xlsx", ".xls", ".xlsm", ".ods"], _SPREADSHEET),
    **dict.fromkeys([".feather", ".arrow", ".ipc"], _ARROW),
    **dict.fromkeys([".db", ".sqlite", ".sqlite3", ".duckdb"], _DATABASE),
    ".orc": "ORC; write it as Parquet, e.g. pandas.read_orc(path).to_parquet(…)",
    ".avro": "Avro; write it as Parquet, or as JSON lines",
    **dict.fromkeys([".h5", ".hdf5"], "HDF5; write it as Parquet"),
    **dict.fromkeys([".pkl", ".pickle"], "a pickle; write it as Parquet where you trust it"),
}
_OTHER_STARTS = {
    b"PK\x03\x04": f"an archive or a spreadsheet; {_UNPACK.partition('; ')[2]}, or save it as CSV",
    b"7z\xbc\xaf": _UNPACK,
    b"Rar!\x1a": _UNPACK,
    b"\x04\x22\x4d\x18": "compressed by lz4; unpack it",
    b"\xd0\xcf\x11\xe0": _SPREADSHEET,
    b"ARROW1\0": _ARROW,
    b"Obj\x01": _OTHER_SUFFIXES[".avro"],
    b"SQLite format 3": _DATABASE,
    b"\x89HDF": _OTHER_SUFFIXES[".h5"],
    b"%PDF-": "a PDF; export the table as CSV",
}
_WEB_PAGE = re.compile(r"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_BLOCK = 1 << 22
_UNREADABLE = (OSError, EOFError, zlib.error, lzma.LZMAError)


@dataclass(frozen=True)
class LogFile:
    """A file of a log that is there, not empty and, if text, UTF-8 to its end.

    Attributes:
        path: Where it is; of a Parquet file in a store, a `UPath` that says so.
        kind: What it holds.
        compression: `none`, `gzip`, `zstd`, `bz2` or `xz`; of a text file.
        mixed_line_ends: Whether lines end in more than one way, or a value has such a line end.
        marked: Whether it begins with a byte order mark.
    """

    path: Path
    kind: Kind
    compression: str = "none"
    mixed_line_ends: bool = False
    marked: bool = False

    @contextmanager
    def open_text(self) -> Iterator[TextIO]:
        r"""Opens a text file, unpacked, without a byte order mark, all line ends as `\n`."""
        with (
            _open_unpacked(self.path, self.compression) as stream,
            io.TextIOWrapper(stream, encoding="utf-8-sig", newline=None) as text,
        ):
            yield text


def identify(path: Path) -> LogFile:
    """Finds out what a file is; a text file is read to its end for that.

    Raises:
        DataError: It is empty, damaged, not UTF-8, or of a kind that is not read.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(16)
            stream.seek(-min(4, stream.seek(0, io.SEEK_END)), io.SEEK_CUR)
            end = stream.read()
        if not start:
            raise DataError(f"{path} is empty; export it again")
        if suffix_of(path) in PARQUET_SUFFIXES or (start[:4] == end == b"PAR1"):
            return LogFile(path, "parquet")
        _refuse_other_kinds(path, start)
        compressions = [name for name, (magic, _) in _COMPRESSIONS.items() if _has(start, magic)]
        compression = compressions[0] if compressions else "none"
        newlines = _read_to_the_end(path, compression)
        with _open_unpacked(path, compression) as stream:
            marked = stream.read(len(codecs.BOM_UTF8)) == codecs.BOM_UTF8
        file = LogFile(path, "text", compression, isinstance(newlines, tuple), marked)
        with file.open_text() as text:
            lines = iter(partial(text.readline, _BLOCK), "")
            first = next((line for line in lines if line.strip()), "")
    except _UNREADABLE as error:
        raise DataError(f"Cannot read {path}: {error}") from None
    if _WEB_PAGE.match(first):
        raise DataError(f"{path} is a web page or XML, not a log: {first[:80]!r}; get it again")
    if suffix_of(path) in JSON_SUFFIXES or _is_object(first):
        return replace(file, kind="json")
    return file


def suffix_of(path: Path) -> str:
    """The suffix that names the kind, lower case: `.csv` of `LOG.CSV.GZ`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _COMPRESSED_SUFFIXES else suffix


def _has(start: bytes, magic: bytes) -> bool:
    # "BZh" may begin a line of text, too; the magic number of bzip2's first block may not
    return start.startswith(magic) and (magic != b"BZh" or start[4:7] == b"1AY")


def _refuse_other_kinds(path: Path, start: bytes) -> None:
    what = _OTHER_SUFFIXES.get(suffix_of(path)) or next(
        (what for magic, what in _OTHER_STARTS.items() if start.startswith(magic)), None
    )
    if what:
        raise DataError(
            f"Cannot read {path}: it is {what}. Logs are read from Parquet, JSON lines, and text "
            "with separated columns"
        )
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in start[:2]:
        raise DataError(
            f"{path} is not UTF-8 text but UTF-16, as some spreadsheets write; convert it: "
            f"iconv -f utf-16 -t utf-8"
        )


def _read_to_the_end(path: Path, compression: str) -> str | tuple[str, ...] | None:
    """Refuses what is not UTF-8 text; returns the line ends that there are."""
    # DuckDB 1.5 ends with an internal error that closes the whole database when it reads some
    # columns of a file that is not UTF-8, and takes a cut off zstd file for an empty one, so this
    # is checked before DuckDB sees the file
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder("utf-8")(), translate=False)
    offset = 0
    with _open_unpacked(path, compression) as stream:
        try:
            while block := stream.read(_BLOCK):
                decoder.decode(block)
                if b"\0" in block:
                    raise DataError(
                        f"{path} is no text: it has a NUL byte at {offset + block.index(0):,}; "
                        "export it again as UTF-8 text or as Parquet"
                    )
                offset += len(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{path} is not UTF-8 text (first at about byte {offset + error.start:,}); "
                "convert it, e.g. with iconv -t utf-8"
            ) from None
    return decoder.newlines


def _open_unpacked(path: Path, compression: str) -> BinaryIO:
    if compression == "none":
        return path.open("rb")
    stream: BinaryIO = _COMPRESSIONS[compression][1](path)
    return stream


def _is_object(line: str) -> bool:
    try:
        return line.lstrip().startswith("{") and isinstance(json.loads(line), dict)
    except ValueError:
        return False
