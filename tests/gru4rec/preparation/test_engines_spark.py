"""One corpus of edge cases through DuckDB and Spark: equal rows, or an equal refusal."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gru4rec.config import MISSING_WORDS, DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events, private_connection
from gru4rec.preparation.blanks import has_blanks, without_blanks
from gru4rec.preparation.engine.functions import is_infinite, read_number
from gru4rec.preparation.formats import read_iso
from gru4rec.preparation.identifiers import _kind_of
from gru4rec.preparation.missing import is_missing, without_point_zero
from gru4rec.preparation.session_spans import find_long_sessions

KEYS = DataConfig(session_key="s", item_key="i", time_key="t")
T = 1_500_000_000
Tables = Callable[[pa.Table], list[ir.Table]]


@pytest.fixture
def tables(spark_backend: Any, tmp_path: Path) -> Tables:
    """Reads a table on both engines."""

    def read(table: pa.Table) -> list[ir.Table]:
        path = tmp_path / "log.parquet"
        pq.write_table(table, path)
        return [engine.read_parquet(str(path)) for engine in (private_connection(), spark_backend)]

    return read


def on_both(tables: Tables, texts: list[str], function: Callable[[Any], Any]) -> list[list[Any]]:
    """What a function makes of texts, on each engine."""
    found = []
    for table in tables(pa.table({"n": range(len(texts)), "text": texts})):
        result = table.select("n", result=function(table["text"])).order_by("n").to_pyarrow()
        values = result["result"]
        if pa.types.is_timestamp(values.type):  # Python has no year of five digits
            values = values.cast(pa.timestamp("us")).cast(pa.int64())
        found.append(values.to_pylist())
    return found


MOMENTS = """2020-01-01 00:00:00|2020-01-01T00:00:00|2020-01-01T00:00:00Z|2020-01-01 00:00:00.123456
2020-01-01 00:00:00.1|2020-01-01 00:00:00.123456789|2020-01-01|2020-1-1|2020-01-01 0:00:00|12:34:56
2020|2020-01|now|today|1_600_000_000|1600000000|2020-01-01 00:00|2020-01-01 00
2020-01-01 00:00:00+02|2020-01-01 00:00:00+02:00|2020-01-01 00:00:00 +02:00|2020-01-01 00:00:00+0200
2020-07-01 00:00:00 America/New_York|2020-01-01T00:00:00 Europe/Berlin|2020-01-01 00:00:00 UTC
2020-01-01 00:00:00 GMT|2020-01-01 00:00:00 EST|2020-01-01 00:00:00 JST|2020-01-01 00:00:00 GMT+2
2020-02-30 00:00:00|2020-01-01 23:59:60|2020/01/01 00:00:00|20200101|20200101T000000Z|+2020-01-01
  2020-01-01 00:00:00  |2020-01-01 00:00:00 Mars/Base|2020-01-01 00:00:00 z
2020-01-01t00:00:00|2020-01-01 00:00:00-03:30|2020-01-01 00:00:00+2|2020-01-01 00:00:00 (bc)
2020-01-01 12:00:00 AM|1969-12-31 23:59:59.5||2020-11-01 01:30:00|2020-13-01"""
# read by DuckDB, and refused on Spark
REFUSED = [
    "epoch",
    "12020-01-01",
    "2020-01-01 24:00:00",
    "2020-01-01 00:00:00+25:00",
    "2020-01-01 00:00:00 UTC+2",
    "2020/01/01 00:00:00 Europe/Berlin",
]


def test_texts_are_the_same_moments(tables: Tables) -> None:
    texts = [text for line in MOMENTS.splitlines() for text in line.split("|")] + REFUSED
    local, on_spark = on_both(tables, texts, read_iso)
    found = dict(zip(texts, zip(local, on_spark, strict=True), strict=True))
    assert {text: both for text, both in found.items() if both[0] != both[1]} == {
        text: (found[text][0], None) for text in REFUSED
    }
    assert sum(moment is not None for moment in on_spark) > 20


NUMBERS = """1500000000 1.5 1_500_000_000 1.5e9 1500000000L 1500000000d 1500000000.f 1.D +15 15. .5
inf Infinity -inf nan 1,5 0x10 1e400 - . _1 1_"""


def test_texts_are_the_same_numbers(tables: Tables) -> None:
    texts = [*NUMBERS.split(), " 15 ", "\t15", ""]
    local, on_spark = on_both(tables, texts, lambda text: read_number(text).cast("string"))
    shown = dict(zip(texts, zip(local, on_spark, strict=True), strict=True))
    numbers = {text: [n and float(n) for n in both] for text, both in shown.items()}
    assert {text: both for text, both in numbers.items() if repr(both[0]) != repr(both[1])} == {}
    assert numbers["1500000000d"] == [None, None]
    assert numbers["1_500_000_000"] == [1.5e9, 1.5e9]
    infinite = on_both(tables, texts, lambda text: is_infinite(read_number(text)))
    assert infinite[0] == infinite[1]
    assert sum(map(bool, infinite[1])) >= 3


IDS = [
    "007",
    "7",
    "10.0",
    "10.",
    " a",
    "a ",
    "\ta",
    "a\u00a0",
    "\u00a0",
    "",
    " ",
    "vfv",
    " vf ",
    "ü",
]
IDS += ["NULL", " null ", "1.2E+15", "a'b\\c", "9223372036854775808", "-9223372036854775808", "+5"]
IDS += ["1_000", "-", "?", "N/A", "0", "-0", "0.0", "😀", "\x0bx\x0c", "a\nb", "1e5", "-5.00"]
IDS += ["É", "ü"]


@pytest.mark.parametrize(
    "function",
    [
        without_blanks,
        has_blanks,
        without_point_zero,
        lambda text: is_missing(text, MISSING_WORDS),
        lambda text: is_missing(text, ["-1", "0", "NULL"]),
        lambda text: _kind_of(text, MISSING_WORDS),
    ],
    ids=["without_blanks", "has_blanks", "without_point_zero", "missing", "missing_0", "kinds"],
)
def test_texts_are_the_same_ids(tables: Tables, function: Callable[[Any], Any]) -> None:
    local, on_spark = on_both(tables, IDS, function)
    assert dict(zip(IDS, on_spark, strict=True)) == dict(zip(IDS, local, strict=True))


def log(**columns: Any) -> pa.Table:
    return pa.table({"s": [1, 1], "i": [5, 6], "t": [T, T + 1]} | columns)


def moments(*values: datetime, zone: str | None = None) -> pa.Array:
    return pa.array(values, pa.timestamp("us", zone))


AUTUMN = (
    datetime(2020, 11, 1, 5, 30, 0, 7, tzinfo=UTC),
    datetime(2020, 11, 1, 6, 30, 0, 999999, tzinfo=UTC),
)
NAIVE = tuple(moment.replace(tzinfo=None) for moment in AUTUMN)
CLICKS = pa.table(
    {
        "s": [1, 1, 1, 1, 2, 2, 1, 1, 3],
        "i": [5, 6, 7, 8, 5, 6, 9, 10, 2**53 + 1],
        "t": [T, T, T + 100, T + 101, T, T + 5000, T + 5001, T + 5001, T],
        "e": ["view", "buy ", " view", "view", "view", "view", None, "view", "fuss"],
        "o": ["2", "1", "4", "3.5", "1", "2", "9", "8", "1"],
    }
)
DATED = pa.table(
    {"s": [1, 1], "i": [5, 6], "t": ["10:51:09", "10:51:10.5"], "d": ["2020-01-01", "2020-01-02"]}
)
TIMESTAMP = {"time_unit": "timestamp"}
LOGS: dict[str, tuple[pa.Table, dict[str, Any]]] = {
    "a zone": (log(t=moments(*AUTUMN, zone="America/New_York")), TIMESTAMP),
    "no zone": (log(t=moments(*NAIVE)), TIMESTAMP),
    "whole seconds": (log(t=moments(*NAIVE)), TIMESTAMP | {"whole_seconds": True}),
    "dates": (log(t=[date(2020, 1, 1), date(2020, 1, 2)]), TIMESTAMP),
    "milliseconds": (log(t=[T * 1000.0 + 500.7, T * 1000 + 1999.9]), {"time_unit": "ms"}),
    "cut": (
        log(t=[T * 1000.0 + 999.9, T * 1e3 + 1999]),
        {"time_unit": "ms", "whole_seconds": True},
    ),
    "decimals": (
        log(
            i=pa.array([Decimal(2**62), Decimal(3)], pa.decimal128(38, 0)),
            t=pa.array([Decimal("1500000000.25"), Decimal("1500000001.5")], pa.decimal128(20, 2)),
        ),
        {},
    ),
    "dropped": (log(t=[float("nan"), T + 1.0]), {"drop_missing": True}),
    "gaps": (CLICKS, {"session_gap": 100}),
    "types before": (
        CLICKS,
        {"session_gap": 99.5, "event_key": "e", "event_types": ["view"]},
    ),
    "types after": (
        CLICKS,
        {"session_gap": 99.5, "event_key": "e", "event_types": ["view"], "filter_events": "after"},
    ),
    "order": (CLICKS, {"order_key": "o"}),
    "dated": (DATED, TIMESTAMP | {"date_key": "d"}),
    "infinite": (log(t=[float("inf"), T + 1.0]), {}),
    "minus infinite": (log(t=[float("-inf"), T + 1.0]), {}),
    "inexact": (log(i=[2.0**53, 3.0]), {}),
    "fraction": (log(i=pa.array([Decimal("1.5"), Decimal(3)], pa.decimal128(20, 2))), {}),
    "null": (log(i=pa.array([None, 3], pa.int64())), {}),
}
REFUSALS = {
    "infinite": "1 values that are not finite",
    "minus infinite": "1 values that are not finite",
    "inexact": "1 ids such as .* cannot be kept exact",
    "fraction": "1 ids such as .* cannot be kept exact",
    "null": "Missing values .*'i' has 1",
}


@pytest.mark.parametrize("name", LOGS)
def test_logs_are_the_same_events(tables: Tables, name: str) -> None:
    table, given = LOGS[name]
    loading = LoadingConfig.parse({"ties": "item"} | given, "test")
    found = []
    for source in tables(table):
        if name in REFUSALS:
            with pytest.raises(DataError, match=REFUSALS[name]):
                load_events(source, KEYS, loading)
            continue
        events = load_events(source, KEYS, loading)
        found.append(events.order_by(*events.columns).to_pyarrow())
    if found:
        assert found[1].schema.equals(found[0].schema)
        assert found[1].to_pylist() == found[0].to_pylist()
        assert len(found[0])


def test_sessions_of_days_are_the_same(tables: Tables) -> None:
    times = [T, T + 90_000, T, T + 9, T + 5.5, T + 86_400 + 5.75]
    events = {"SessionId": [1, 1, 2, 2, 3, 3], "ItemId": [1, 2, 1, 2, 1, 2], "Time": times}
    both = [find_long_sessions(table, LoadingConfig()) for table in tables(pa.table(events))]
    assert both[0] == both[1]
    assert "2 of 3 sessions of two events or more (66.7%)" in str(both[0])
