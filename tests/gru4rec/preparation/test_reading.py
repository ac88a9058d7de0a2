import gzip
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gru4rec.errors import ConfigError, DataError, MissingLogError
from gru4rec.preparation import local_connection, private_connection, read_log
from gru4rec.preparation.engine import connection


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def rows_of(path: Path | str, **options: object) -> dict[str, list[object]]:
    return read_log(path, **options).to_pyarrow().to_pydict()  # type: ignore[arg-type]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", ["csv", "tsv", "txt", "dat"])
def test_text_stays_text_whatever_the_delimiter(
    tmp_path: Path, delimiter: str, suffix: str
) -> None:
    lines = ["a,b", "007,9223372036854775808", '1e3,"x y"', ",2019-10-01"]
    text = "\n".join(lines).replace(",", delimiter)
    found = rows_of(write(tmp_path / f"log.{suffix}", text))
    assert found == {"a": ["007", "1e3", None], "b": ["9223372036854775808", "x y", "2019-10-01"]}


def test_options_windows_lines_byte_order_mark_and_unnamed_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "x.csv", "1;2,3\r\n4;5,6\r\n")
    assert rows_of(path, delimiter=",", column_names=["p", "q"]) == {
        "p": ["1;2", "4;5"],
        "q": ["3", "6"],
    }
    path = write(tmp_path / "y.csv", "\ufeff,b\r\n1,2\r\n")
    assert rows_of(path) == {"column0": ["1"], "b": ["2"]}


def test_compressed_text(tmp_path: Path) -> None:
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert rows_of(tmp_path / "x.csv.gz") == {"a": ["1"], "b": ["2"]}


def test_parquet_keeps_its_types(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [2**63 - 1], "b": ["007"]}), tmp_path / "x.parquet")
    assert rows_of(tmp_path / "x.parquet") == {"a": [2**63 - 1], "b": ["007"]}


def test_a_glob_reads_all_and_a_name_with_brackets_only_itself(tmp_path: Path) -> None:
    write(tmp_path / "part1.csv", "a\n1\n")
    write(tmp_path / "part[1].csv", "a\n2\n")
    assert rows_of(tmp_path / "part[1].csv") == {"a": ["2"]}
    assert sorted(rows_of(f"{tmp_path}/part*.csv")["a"]) == ["1", "2"]
    for part in (1, 2):
        pq.write_table(pa.table({"a": [part]}), tmp_path / f"{part}.parquet")
    assert sorted(rows_of(f"{tmp_path}/*.parquet")["a"]) == [1, 2]


def test_braces_name_files_that_must_all_be_there(tmp_path: Path) -> None:
    for month in ("Oct", "Nov"):
        write(tmp_path / f"2019-{month}.csv", f"a\n{month}\n")
    both = f"{tmp_path}/2019-{{Oct,Nov}}.csv"
    assert rows_of(both) == {"a": ["Oct", "Nov"]}
    assert sorted(rows_of(f"{tmp_path}/*-{{O,N}}*.csv")["a"]) == ["Nov", "Oct"]
    (tmp_path / "2019-Nov.csv").unlink()
    with pytest.raises(MissingLogError, match=r"No file is at \S*/2019-Nov\.csv; check"):
        read_log(both)
    write(tmp_path / "1a.csv", "a\n")
    with pytest.raises(MissingLogError, match=r"at \S*1b\.csv nor at \S*2a\.csv nor at \S*2b"):
        read_log(f"{tmp_path}/{{1,2}}{{a,b}}.csv")
    write(tmp_path / "{x,y}.csv", "a\n3\n")
    assert rows_of(f"{tmp_path}/{{x,y}}.csv") == {"a": ["3"]}


def test_the_shared_connection_is_one_and_writes_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    connection._shared_connection.cache_clear()
    try:
        shared = local_connection()
        assert shared is local_connection() is local_connection(None)
        assert local_connection("64MB") is local_connection("64MB") is not shared
        spill = shared.raw_sql("SELECT current_setting('temp_directory')").fetchone()[0]
        assert spill.startswith(str(tmp_path / "cache"))
        rows_of(write(tmp_path / "x.csv", "a\n1\n"))
        assert [*(tmp_path / "cache").rglob("*")] == [tmp_path / "cache/gru4rec"]
    finally:
        connection._shared_connection.cache_clear()


def test_spills_where_no_cache_folder_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home/cache"))
    limited = private_connection("100MB")
    limited.raw_sql("SET threads = 1")  # each wants memory of its own
    limited.raw_sql("CREATE TABLE sorted AS SELECT * FROM range(12000000) ORDER BY hash(range)")
    assert limited.raw_sql("SELECT count(*) FROM sorted").fetchone() == (12_000_000,)
    assert (tmp_path / "home/cache/gru4rec/duckdb").exists()


def test_threads_share_the_connection_and_its_tables(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    connection._shared_connection.cache_clear()

    def copy(n: int) -> int:
        table = local_connection("64MB").read_parquet(path)
        table.filter(table["a"] < n).to_parquet(tmp_path / f"{n}.parquet")
        made = local_connection("64MB").read_parquet(tmp_path / f"{n}.parquet")
        return int(table.semi_join(made, "a").count().to_pyarrow().as_py())

    with ThreadPoolExecutor(8) as pool:
        assert [*pool.map(copy, range(1, 81))] == [*range(1, 81)]


@pytest.mark.parametrize("limit", ["4 gigs", "lots", "4"])
def test_a_memory_limit_that_is_none_is_named(limit: str) -> None:
    with pytest.raises(ConfigError, match=rf"memory_limit is '{limit}' .* write it like 4GB"):
        private_connection(limit)


def test_given_connection_is_used(tmp_path: Path) -> None:
    import ibis

    connection = ibis.duckdb.connect()
    table = read_log(write(tmp_path / "x.csv", "a\n1\n"), connection=connection)
    assert table.get_backend() is connection


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, r"No file is at .*none\.csv; check the path"),
        ("none*.csv", None, r"No file is at .*a glob must match"),
        ("log.csv", b"", r"log\.csv is empty"),
        ("log.parquet", b"", r"log\.parquet is empty"),
        ("log.parquet", b"PAR1" + b"x" * 50, r"Cannot read .*log\.parquet as Parquet: .*cut off"),
        ("log.csv", b"a,b\n1,2\n1,\xff\n", r"log\.csv is not UTF-8 text .*byte 10\); convert"),
        ("log.csv", "a\n".encode("utf-16"), r"log\.csv is not UTF-8 text"),
        ("log.csv.gz", gzip.compress(b"a,b\n" * 99, mtime=0)[:-9], r"Cannot read .*log\.csv\.gz"),
        ("log.csv", b"a,a\n1,2\n", r"column name twice: a, a"),
    ],
)
def test_what_cannot_be_read(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_log(tmp_path / name)


def test_truncated_parquet(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pd.DataFrame({"a": range(1000)}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"Cannot read .*log\.parquet as Parquet"):
        read_log(path)


def test_a_folder_is_all_logs_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "log.parquet"
    (folder / "day=2").mkdir(parents=True)
    for name, value in (("part-0", 1), ("day=2/part-1", 2), ("_part-2", 3), (".part-3", 4)):
        pd.DataFrame({"a": [value]}).to_parquet(folder / f"{name}.parquet")
    write(folder / "_SUCCESS", "")
    for hidden in (".ipynb_checkpoints", "_temporary"):  # copies, and what is not whole
        (folder / hidden).mkdir()
        pd.DataFrame({"a": [5]}).to_parquet(folder / hidden / "part-5.parquet")
    assert sorted(read_log(folder).to_pyarrow()["a"].to_pylist()) == [1, 2]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingLogError, match=r"empty has no file that ends in one of \.csv"):
        read_log(tmp_path / "empty")


def test_a_folder_takes_files_without_suffix_and_leaves_out_what_describes(tmp_path: Path) -> None:
    write(tmp_path / "part-00000", "a\n1\n")
    write(tmp_path / "part-00001-3f2.c000.csv", "a\n2\n")
    write(tmp_path / "schema.json", '{"a": "x"}\n')
    write(tmp_path / "export.log", "done\n")
    assert rows_of(tmp_path) == {"a": ["1", "2"]}
    for name in ("part-00000", "part-00001-3f2.c000.csv", "export.log"):
        (tmp_path / name).unlink()
    assert rows_of(tmp_path) == {"a": ["x"]}


def test_a_delta_table_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "part-0.parquet")
    (tmp_path / "_delta_log").mkdir()
    with pytest.raises(DataError, match=r"is a Delta table, .* export it as Parquet"):
        read_log(tmp_path)


def test_a_glob_of_folders_is_all_logs_in_them(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / f"day{day}").mkdir()
        write(tmp_path / f"day{day}" / "log.csv", f"a\n{day}\n")
    assert rows_of(f"{tmp_path}/day*") == {"a": ["1", "2"]}


def test_folders_do_not_take_the_place_of_columns(tmp_path: Path) -> None:
    folder = tmp_path / "user=7" / "day=007"
    folder.mkdir(parents=True)
    write(folder / "log.csv", "user,item\n1,2\n")
    assert rows_of(folder / "log.csv") == {"user": ["1"], "item": ["2"]}
    write(folder / "log.jsonl", '{"user": 1, "item": 2}\n')
    assert rows_of(folder / "log.jsonl") == {"user": ["1"], "item": ["2"]}
    pq.write_table(pa.table({"user": [1]}), folder / "log.parquet")
    assert rows_of(folder / "log.parquet") == {"user": [1]}
    # what the files do not say is the folders' to say
    write(folder / "log.csv", "item\n2\n")
    assert rows_of(folder / "log.csv") == {"item": ["2"], "user": ["7"], "day": ["007"]}


def test_mixed_kinds_other_headers_and_wrong_column_names(tmp_path: Path) -> None:
    write(tmp_path / "1.csv", "a,b\n1,2\n")
    with pytest.raises(DataError, match=r"has 2 columns .*but 1 column_names are given: x"):
        read_log(tmp_path / "1.csv", column_names=["x"])
    write(tmp_path / "2.csv", "b,a\n1,2\n")
    with pytest.raises(DataError, match=r"2\.csv has other columns than .*1\.csv: 'b,a' and 'a,b'"):
        read_log(f"{tmp_path}/*.csv")
    write(tmp_path / "3.jsonl", '{"a": 1}\n')
    with pytest.raises(DataError, match=r"several kinds: .*1\.csv \(text\), .*3\.jsonl \(json\)"):
        read_log(f"{tmp_path}/[13].*")
