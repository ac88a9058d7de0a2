import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from gru4rec import DataConfig, LoadingConfig, load_events, read_log
from gru4rec.errors import DataError

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")


@pytest.fixture(autouse=True)
def _own_cache(cache_folder: Path) -> None: ...


def rows_of(path: Path, text: str) -> dict[str, list[object]]:
    path.write_text(text)
    rows: dict[str, list[object]] = read_log(path).to_pyarrow().to_pydict()
    return rows


@pytest.mark.parametrize("name", ["log.jsonl", "log.NDJSON", "log.json", "log.log", "part-00000"])
def test_values_are_exact_text(tmp_path: Path, name: str) -> None:
    text = (
        '{"a": 9223372036854775808, "b": "007"}\n{"b": " x,\\"y", "a": 9007199254740993}\n{"c":1}\n'
    )
    assert rows_of(tmp_path / name, text) == {
        "a": ["9223372036854775808", "9007199254740993", None],
        "b": ["007", ' x,"y', None],
        "c": [None, None, "1"],
    }


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2}]',
        '[\n{"a": 1},\n{"a": 2}\n]',
        '{\n"a": 1\n}\n{\n"a": 2\n}',
        '{"a":1}\r\n{"a":2}',
    ],
    ids=["array", "array in lines", "objects in lines", "windows"],
)
def test_other_forms_of_json(tmp_path: Path, text: str) -> None:
    assert rows_of(tmp_path / "log.json", text) == {"a": ["1", "2"]}


def test_events_from_packed_json_lines(tmp_path: Path) -> None:
    lines = '{"s": 1, "i": "x", "t": 1600000000, "more": {"deep": [1]}}\n' * 2
    (tmp_path / "log.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    events = load_events(read_log(tmp_path / "log.jsonl.gz"), KEYS, LoadingConfig()).to_pandas()
    found = events[["SessionId", "ItemId", "Time"]].to_numpy().tolist()
    assert found == [[1, "x", 1600000000]] * 2


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": 2}\n', '[{"a": 1}, {"a": 2}]'])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_byte_order_mark_is_read_past(
    tmp_path: Path, text: str, pack: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(pack(text.encode("utf-8-sig")))
    assert read_log(path).to_pyarrow().to_pydict() == {"a": ["1", "2"]}


def test_an_object_with_many_keys(tmp_path: Path) -> None:
    keys = ",".join(f'"k{number}": {number}' for number in range(400))
    assert len(rows_of(tmp_path / "log.jsonl", "{" + keys + "}\n")) == 400


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ('{"id": 7}', r"The column 'i' has nested values .*flatten them"),
        ("[7]", "The column 'i' has nested values"),
        ("9007199254740993.0", r"The column 'i' has fractions of 2\*\*53 or more; write them"),
        ('7, "i": 8', 'duplicate key "i"'),
        ("null", "Missing values .*'i' has 1"),
    ],
)
def test_values_that_are_no_ids(tmp_path: Path, item: str, message: str) -> None:
    (tmp_path / "log.jsonl").write_text('{"s": 1, "i": ' + item + ', "t": 1600000000}\n')
    with pytest.raises(DataError, match=message):
        load_events(read_log(tmp_path / "log.jsonl"), KEYS, LoadingConfig())


@pytest.mark.parametrize("rest", ["oops\n", '{"s": 1, "i"', "[1]\n"])
@pytest.mark.parametrize("rows", [1, 100_000])
def test_damage_is_found(tmp_path: Path, rest: str, rows: int) -> None:
    lines = '{"s": 1, "i": 2, "t": 1600000000}\n' * rows
    (tmp_path / "log.jsonl").write_text(lines + rest)
    with pytest.raises(
        DataError, match=rf"annot .*read.*(line ({rows + 1}|{rows + 2})|non-record JSON)"
    ):
        load_events(read_log(tmp_path / "log.jsonl"), KEYS, LoadingConfig())


def test_no_objects(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_text("1\n2\n")
    with pytest.raises(DataError, match=r"as JSON: .*An object for each event is expected"):
        read_log(tmp_path / "log.jsonl")
