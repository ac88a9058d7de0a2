"""Parquet logs that are damaged, or hold what no log should: a result, or one message."""

import io
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events, load_items, read_log

T0 = 1_600_000_000
KEYS = DataConfig(session_key="s", item_key="i", time_key="t")


def log(**columns: pa.Array) -> pa.Table:
    return pa.table({"s": pa.array([1, 1]), "i": pa.array([5, 6]), "t": [T0, T0 + 1]} | columns)


def packed(table: pa.Table, **options: object) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def load(path: Path) -> pa.Table:
    return load_events(read_log(path), KEYS, LoadingConfig()).order_by("Time").to_pyarrow()


def load_one(folder: Path, table: pa.Table) -> pa.Table:
    pq.write_table(table, folder / "log.parquet")
    return load(folder / "log.parquet")


@pytest.mark.parametrize(
    ("column", "values", "kind"),
    [
        ("i", pa.array([[1], [2]]), r"array<int64> values; ids are"),
        ("s", pa.array([{"a": 1}, {"a": 2}]), r"struct<a: int64> values; ids are"),
        ("i", pa.array([b"\xff", b"b"]), "binary values; ids are"),
        ("t", pa.array([{"a": 1}, {"a": 2}]), r"struct<a: int64> values; times are"),
    ],
)
def test_nested_and_binary_columns_are_refused_where_they_count(
    tmp_path: Path, column: str, values: pa.Array, kind: str
) -> None:
    with pytest.raises(DataError, match=f"column '{column}' holds {kind}"):
        load_one(tmp_path, log(**{column: values}))
    assert len(load_one(tmp_path, log(other=values))) == 2


def test_ids_of_ten_megabytes_and_with_nul_are_text_like_any_other(tmp_path: Path) -> None:
    ids = ["x" * 10_000_000, "a\0b"]
    assert load_one(tmp_path, log(i=pa.array(ids)))["ItemId"].to_pylist() == ids


def test_text_under_the_name_of_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.parquet").write_text(f"s,i,t\n1,5,{T0}\n")
    with pytest.raises(DataError, match=r"log\.parquet as Parquet: .*of another kind; export"):
        load(tmp_path / "log.parquet")


@pytest.mark.parametrize(
    "other", [log(i=pa.array(["a", "b"])), pa.table({"x": [1]})], ids=["types", "columns"]
)
def test_files_that_do_not_fit_together_are_named(tmp_path: Path, other: pa.Table) -> None:
    for name, table in (("1", log()), ("2", other)):
        pq.write_table(table, tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=r"cannot be read: .*2\.parquet.*of another type") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_statistics_that_deny_missing_times_are_seen_through(tmp_path: Path) -> None:
    present = b"\x03\0\0\0\x90\x03\x01"  # levels of a column, 3 bytes: 200 times a 1
    content = packed(SOUND, use_dictionary=False, compression="none")
    before, found, after = content.rpartition(present)
    assert found
    # every time is missing now, while the count of missing ones stays 0
    content = before + present[:-1] + b"\0" + after
    path = tmp_path / "log.parquet"
    path.write_bytes(content)
    with pytest.raises(DataError, match="column 't' has no value; its file is damaged"):
        load(path)


def test_the_damaged_one_of_many_files_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "it's [one]"
    folder.mkdir()
    content = packed(SOUND, compression="none")
    for name in ("1", "2", "3"):
        (folder / f"{name}.parquet").write_bytes(content)
    damaged = bytearray(content)
    damaged[:200] = b"PAR1" + b"\xff" * 196
    (folder / "2.parquet").write_bytes(damaged)
    with pytest.raises(DataError, match=r"it's \[one\]/2\.parquet is damaged; export it again$"):
        load(folder)


SOUND = log(
    s=pa.array(range(200)),
    i=pa.array([f"item {number % 17}" for number in range(200)]),
    t=pa.array(range(T0, T0 + 200)),
)


@pytest.mark.fuzz
@given(data=st.data(), dictionary=st.booleans(), compression=st.sampled_from(["snappy", "none"]))
def test_a_damaged_file_is_one_message_or_is_read(
    tmp_path: Path, data: st.DataObject, dictionary: bool, compression: str
) -> None:
    content = bytearray(packed(SOUND, use_dictionary=dictionary, compression=compression))
    places = st.integers(0, len(content) - 1)
    for place, byte in data.draw(st.dictionaries(places, st.integers(0, 255), min_size=1)).items():
        content[place] = byte
    path = tmp_path / "log.parquet"
    path.write_bytes(content)
    for read in (load, lambda path: load_items(read_log(path), "i").to_pyarrow()):
        message = ""
        try:
            read(path)
        except DataError as error:
            message = str(error)
        # values that can be read, but not be right, are told of their column
        assert not message or "log.parquet" in message or "column" in message
