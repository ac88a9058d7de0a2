import bz2
import gzip
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gru4rec import DataConfig, LoadingConfig, load_events, read_log
from gru4rec.errors import DataError

TEXT = b"a,b\n1,2\n3,4\n"
ROWS = {"a": ["1", "3"], "b": ["2", "4"]}


@pytest.fixture(autouse=True)
def _own_cache(cache_folder: Path) -> None: ...


def zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def rows_of(path: Path) -> dict[str, list[object]]:
    rows: dict[str, list[object]] = read_log(path).to_pyarrow().to_pydict()
    return rows


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("LOG.CSV", TEXT),
        ("LOG.CSV.GZ", gzip.compress(TEXT, mtime=0)),
        ("log.csv.zst", zstd(TEXT)),
        ("log.csv.bz2", bz2.compress(TEXT)),
        ("log.csv.xz", lzma.compress(TEXT)),
        ("gzip-is-not-in-the-name.csv", gzip.compress(TEXT, mtime=0)),
        ("unpacked-by-a-browser.csv.gz", TEXT),
        ("two-parts.csv.gz", gzip.compress(TEXT[:8], mtime=0) + gzip.compress(TEXT[8:], mtime=0)),
        ("log.inter", TEXT),
        ("u.data", TEXT),
        ("clicks.log", TEXT),
        ("clicks.2019-10-01", TEXT),
        ("part-00000", TEXT),
        ("BZhang.csv", TEXT),
    ],
)
def test_content_tells_what_a_file_is(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert rows_of(tmp_path / name) == ROWS


def test_a_file_of_text_may_begin_like_another_kind(tmp_path: Path) -> None:
    for header in ("BZh9", "PAR1", "ORC", "<DATE>", "{a}"):
        (tmp_path / "log.csv").write_text(f"{header},b\n1,2\n")
        assert rows_of(tmp_path / "log.csv") == {header: ["1"], "b": ["2"]}


@pytest.mark.parametrize("name", ["Log.Parquet", "part-0.c000.snappy.parquet", "log.csv", "log"])
def test_parquet_by_any_name(tmp_path: Path, name: str) -> None:
    pq.write_table(pa.table({"a": [2**63 - 1]}), tmp_path / name, compression="snappy")
    assert rows_of(tmp_path / name) == {"a": [2**63 - 1]}


def test_files_that_are_packed_in_different_ways_are_one_log(tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_bytes(b"a\nx\n")
    (tmp_path / "2.csv.gz").write_bytes(gzip.compress(b"a\nw\n"))
    (tmp_path / "3.csv.bz2").write_bytes(bz2.compress(b"a\nv\n"))
    (tmp_path / "4.csv").write_bytes(b"a\nu\n")
    assert rows_of(Path(f"{tmp_path}/*.csv*")) == {"a": ["x", "w", "v", "u"]}


def test_ids_of_a_packed_log_are_exact(tmp_path: Path) -> None:
    log = b"SessionId,ItemId,Time\n1,9223372036854775807,1600000000\n1,5,1600000001\n"
    (tmp_path / "log.csv.xz").write_bytes(lzma.compress(log))
    events = load_events(read_log(tmp_path / "log.csv.xz"), DataConfig(), LoadingConfig())
    assert sorted(events.to_pandas()["ItemId"]) == [5, 2**63 - 1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.xlsx", b"PK\x03\x04", r"log\.xlsx: it is a spreadsheet; save the sheet as CSV"),
        ("log.csv", b"PK\x03\x04" + b"\0" * 20, r"an archive or a spreadsheet; unpack it"),
        ("log.zip", b"x", "an archive; unpack it"),
        ("log.tar.gz", b"x", "an archive; unpack it"),
        ("log.feather", b"ARROW1\0\0", r"Arrow; give load_events pyarrow\.feather\.read_table"),
        ("log", b"ARROW1\0\0", r"Arrow; give load_events"),
        ("log.orc", b"ORC", r"ORC; write it as Parquet, e\.g\. pandas\.read_orc"),
        ("log.avro", b"Obj\x01", "Avro; write it as Parquet"),
        ("log.pkl", b"x", "a pickle; write it as Parquet where you trust it"),
        ("log.h5", b"\x89HDF", "HDF5; write it as Parquet"),
        ("log.csv", b"SQLite format 3\0", "a database; export the table"),
        ("log.csv", b"\n<!DOCTYPE html>\n<html>", "is a web page or XML, not a log"),
        ("log.csv", b"<HTML><body>404", "is a web page or XML, not a log: '<HTML><body>404'"),
        ("log.csv", "a,b\n".encode("utf-16"), r"UTF-16, .*iconv -f utf-16 -t utf-8"),
        ("log.csv", "a,b\n".encode("utf-16-le"), r"UTF-16, .*iconv -f utf-16 -t utf-8"),
        ("log.csv", b"a,b\n1,\0\n", r"is no text: it has a NUL byte at 6; export it again"),
        ("log.csv.zst", zstd(TEXT * 1000)[:-5], r"Cannot read .*log\.csv\.zst: Truncated"),
        ("log.csv.bz2", bz2.compress(TEXT)[:-5], r"Cannot read .*bz2: Compressed file ended"),
        ("log.csv.xz", lzma.compress(TEXT)[:-5], r"Cannot read .*xz: Compressed file ended"),
        ("log.csv.xz", lzma.compress(TEXT)[:12] + b"x" * 40, r"Cannot read .*xz: "),
        ("log.csv", b"PAR1" + b"x" * 50 + b"PAR1", r"Cannot read .*log\.csv as Parquet"),
    ],
)
def test_what_is_not_read_is_told_what_to_do(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_log(tmp_path / name)
