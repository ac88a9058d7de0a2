"""Random logs, sound and broken, through all of the library: right, or refused with a message."""

import contextlib
import math
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec import GRU4Rec, GRU4RecError, batch_eval
from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig, SessionFilterConfig
from gru4rec.data.sessions import order_sessions
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import DataError
from gru4rec.evaluation import rank_events
from gru4rec.frames.ids import as_ids
from gru4rec.preparation import (
    Split,
    account_for_events,
    count_log,
    describe_parts,
    filter_sessions,
    load_events,
    private_connection,
    read_log,
    split_sessions,
    train_valid_test_split,
)
from gru4rec.preparation.events import table_to_frame
from gru4rec.preparation.memory_tables import frame_to_table

S, I, T = KEYS = ["SessionId", "ItemId", "Time"]  # noqa: E741
ORDER = [S, T]  # events in equal times stay in the order of the rows
T0 = 1_500_000_000
SCALES = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

pytestmark = pytest.mark.fuzz
# an example with all queries of data engineering takes its time
fewer_examples = settings(max_examples=settings().max_examples * 2 // 3)

WHOLE = [0, -1, 7, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)]
TEXTS = [
    "a",
    "A",
    "é",
    "e\u0301",
    "007",
    "7",
    "日本",
    "\U0001f600",
    "'; --",
    '"',
]
TEXTS += ["x" * 3000, "a\0b", ","]
ODD: list[list[Any]] = [
    [1.0, 2.5],
    [1.0, math.inf, 1e300],
    [-0.0, 0.0, 3.0, 2.0**53 - 1],
    [2.0**53, 1.0],
    [2**64 - 1, 1],
    [1, 2**70],
    [1, "a"],
    [1, None],
    ["a", None, ""],
    [None],
    [True, False],
    [b"x", b"y"],
    ["\ud800", "a"],
    [[1], [2]],
    [{"a": 1}],
    [1j],
    [Decimal("1.5"), Decimal(2)],
    [Decimal(7), Decimal(2**63 - 1)],
    [uuid.UUID(int=1), uuid.UUID(int=2)],
    [pd.Timestamp(T0, unit="s"), pd.NaT],
    [pd.Timedelta(1, "s")],
    [pd.Period("2020"), pd.Period("2021")],
    [pd.Interval(0, 1)],
]
DTYPES = ["category", "Int64", "UInt64", "float16", "float32", "string", "boolean", "int8"]


def ours(call: Callable[[], Any]) -> Any:
    """The result, or None where the call is refused as it should be."""
    try:
        return call()
    except GRU4RecError as error:
        message = str(error)
    assert len(message) > 10
    return None


@st.composite
def sound_columns(draw: st.DrawFn, n: int) -> dict[str, Any]:
    """A log that may be refused for what it lacks only, in seconds, and its ids and times."""
    columns: dict[str, Any] = {}
    for key in (S, I):
        ids = draw(st.sampled_from([WHOLE, TEXTS, range(5), range(1)]))
        columns[key] = draw(st.lists(st.sampled_from(ids), min_size=n, max_size=n))
    steps = st.sampled_from([0, 1, 1, 2, 40, 90_000])
    columns[T] = [T0 + draw(steps) + draw(steps) for _ in range(n)]
    kinds = st.sampled_from(["view", "view", "vü", None])
    columns["kind"] = draw(st.lists(kinds, min_size=n, max_size=n))
    return columns


def in_unit(times: pd.Series, unit: str, as_text: bool) -> Any:
    if unit == "timestamp":
        stamps = pd.to_datetime(times, unit="s", utc=True)
        return stamps.map(lambda stamp: stamp.isoformat()) if as_text else stamps
    values = times * SCALES.get(unit, 1)
    return values.astype(str) if as_text else values


def expected_events(frame: pd.DataFrame, loading: LoadingConfig) -> pd.DataFrame:
    """What loading makes of a sound log (times in seconds), without any economy."""
    kept = frame["kind"].isin(loading.event_types) | (loading.event_key is None)
    picked = frame[kept] if loading.filter_events == "before" else frame
    events = picked.sort_values(ORDER, kind="stable")
    if loading.session_gap is not None:
        pause = events.groupby(S)[T].diff()
        events[S] = (pause.isna() | (pause > loading.session_gap)).cumsum()
    events = events[kept.loc[events.index]][KEYS]
    return events.sort_values(ORDER, kind="stable", ignore_index=True)


def expected_filter(events: pd.DataFrame, chosen: SessionFilterConfig) -> pd.DataFrame:
    if chosen.drop_repeats:
        # not shift(), which makes floats of large integers
        same = [events[key].to_numpy()[1:] == events[key].to_numpy()[:-1] for key in (S, I)]
        events = events[np.append(True, ~(same[0] & same[1]))]
    least = {S: chosen.min_session_length, I: chosen.min_item_support}
    for key in [*[S, I] * (60 if chosen.until_stable else 1), S]:
        events = events[events.groupby(key)[T].transform("size") >= least[key]]
    return events.reset_index(drop=True)


def cut(events: pd.DataFrame, boundary: float, whole: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    is_late = events.groupby(S)[T].transform("max" if whole else "min") >= boundary
    early = events[~is_late & (whole | (events[T] < boundary))]
    return early[early.groupby(S)[T].transform("size") > 1], events[is_late]


def newest(events: pd.DataFrame, share: float, n: int, whole: bool) -> float:
    places = events.groupby(S)[T].agg("max" if whole else "min").sort_values(ascending=False)
    wanted = min(max(1, round(share * n)), len(places))
    return places.iloc[wanted - 1] if share and wanted else math.inf


def expected_split(events: pd.DataFrame, chosen: DataSplitConfig) -> list[pd.DataFrame]:
    whole, n = chosen.whole_sessions, events[S].nunique()
    outer = cut(events, newest(events, chosen.test_fraction, n, whole), whole)
    inner = cut(outer[0], newest(outer[0], chosen.valid_fraction, n, whole), whole)
    parts = [*inner, outer[1], outer[0]]
    if chosen.known_items_only:
        for place, training in ((1, parts[0]), (2, parts[3])):
            part = parts[place][parts[place][I].isin(training[I])]
            parts[place] = part[part.groupby(S)[T].transform("size") > 1]
    return [part.reset_index(drop=True) for part in parts]


def check_accounts(
    raw: pd.DataFrame,
    loading: LoadingConfig,
    report: pd.DataFrame,
    filtered: pd.DataFrame,
    parts: Split[pd.DataFrame],
    cuts: DataSplitConfig,
) -> None:
    """From the raw log to the parts, each row follows from the one before."""
    connection = private_connection()
    log = frame_to_table(connection, raw, list(raw))
    tables = [frame_to_table(connection, part, KEYS) for part in (filtered, *parts)]
    counts = count_log(log, DataConfig(), loading)
    found = account_for_events(counts, report, tables[0], Split(*tables[1:]), cuts, loading)
    given = pd.concat([parts.train, parts.valid, parts.test])
    for name, key in (("events", None), ("sessions", S), ("items", I)):
        left, removed = found[f"{name}_left"], found[f"{name}_removed"]
        assert left.iloc[0] == (len(raw) if key is None else raw[key].nunique())
        assert left.iloc[-1] == (len(given) if key is None else given[key].nunique())
        assert (left.shift(fill_value=left[0]) - removed == left).all()
        assert (removed[found["step"] != "cut at gaps"] >= 0).all()


def check_model(train: pd.DataFrame, test: pd.DataFrame) -> None:
    """Trains on the one part, and measures and recommends on the other."""
    gru = GRU4Rec(layers=[3], batch_size=3, n_sample=2, n_epochs=1, device="cpu")
    if ours(lambda: gru.fit(train)) is None:
        assert train.groupby(S).size().max() < 2
        return
    ids = gru.vocabulary.ids
    assert len(ids) == len(set(ids.tolist()))
    assert set(ids.tolist()) == set(train[I])
    assert gru.vocabulary.decode(gru.vocabulary.encode(train[I])).tolist() == train[I].tolist()
    assert gru.item_counts.sum() == len(train)
    known = test[test[I].isin(train[I])]
    targets = len(known) - known[S].nunique()
    if (recall := ours(lambda: batch_eval(gru, test, cutoff=[1, len(ids)]))) is None:
        assert targets == 0
    else:
        assert 0 <= recall[0][1] <= recall[0][len(ids)] == 1
        ranked = [rank_events(gru, test, batch_size) for batch_size in (1, 512)]
        assert len(ranked[0].ranks) == targets
        assert ranked[0].n_unknown == len(test) - len(known)
        np.testing.assert_array_equal(ranked[0].ranks, ranked[1].ranks)
    # pandas cannot group by half precision, nor by what is one id in two types
    found = gru.recommend(test[I].groupby(test[S].map(plain).tolist()).agg(list), k=3)
    for _, best in found.groupby("session"):
        assert best["rank"].tolist() == list(range(1, 1 + min(3, len(ids))))
        assert best["item"].is_unique
        assert np.isfinite(best["score"]).all()
    assert found["session"].nunique() == test[S].nunique()
    assert set(found["item"]) <= set(ids.tolist())


@fewer_examples
@given(data=st.data())
def test_sound_logs_come_out_as_the_specification_says(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 25))
    frame = pd.DataFrame(data.draw(sound_columns(n)))
    unit = data.draw(st.sampled_from([*SCALES, "timestamp", "ordinal"]))
    with_types = data.draw(st.booleans())
    loading = LoadingConfig(
        time_unit=unit,
        event_key="kind" if with_types else None,
        event_types=["view"] if with_types else [],
        filter_events=data.draw(st.sampled_from(["before", "after"])),
        session_gap=data.draw(st.sampled_from([None, 1, 40])),
    )
    raw = frame.assign(**{T: in_unit(frame[T], unit, data.draw(st.booleans()))})
    before = raw.copy()
    wanted = expected_events(frame, loading)
    if (events := ours(lambda: load_events(raw, DataConfig(), loading))) is None:
        assert wanted.empty
        return
    pd.testing.assert_frame_equal(raw, before)
    pd.testing.assert_frame_equal(events, wanted, check_dtype=False)

    chosen = SessionFilterConfig(
        drop_repeats=data.draw(st.booleans()),
        min_session_length=data.draw(st.integers(1, 3)),
        min_item_support=data.draw(st.integers(1, 3)),
        until_stable=data.draw(st.booleans()),
    )
    wanted = expected_filter(events, chosen)
    if (filtered := ours(lambda: filter_sessions(events, chosen))) is None:
        assert wanted.empty
        return
    pd.testing.assert_frame_equal(filtered[0], wanted)
    assert len(events) - filtered[1]["events_removed"].sum() == len(wanted)

    cuts = DataSplitConfig(
        test_fraction=data.draw(st.sampled_from([0.1, 0.4])),
        valid_fraction=data.draw(st.sampled_from([0.0, 0.1, 0.4])),
        whole_sessions=data.draw(st.booleans()),
        known_items_only=data.draw(st.booleans()),
    )
    parts_wanted = expected_split(filtered[0], cuts)
    if (parts := ours(lambda: split_sessions(filtered[0], cuts))) is None:
        asked_for = [
            part for place, part in enumerate(parts_wanted) if place != 1 or cuts.has_valid
        ]
        assert any(part.empty for part in asked_for)
        return
    for part, part_wanted in zip(parts, parts_wanted, strict=True):
        pd.testing.assert_frame_equal(part, part_wanted, check_dtype=False)
    check_accounts(raw, loading, filtered[1], filtered[0], parts, cuts)
    if not cuts.whole_sessions:
        assert parts.train_full[T].max() < parts.test[T].min()
    assert not set(parts.train_full[S]) & set(parts.test[S])
    described = describe_parts({"test": parts.test}, dated=False)
    assert described["events"].tolist() == [len(parts.test)]
    check_model(parts.train_full, parts.test)


@given(data=st.data())
def test_broken_logs_are_refused_or_come_out_whole(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 12))
    frame = pd.DataFrame(data.draw(sound_columns(n)))
    for key in data.draw(st.sets(st.sampled_from(KEYS), min_size=1)):
        values = data.draw(
            st.lists(st.sampled_from(data.draw(st.sampled_from(ODD))), min_size=n, max_size=n)
        )
        column = pd.Series(values, dtype=object)
        with contextlib.suppress(TypeError, ValueError, OverflowError, RuntimeWarning):
            column = column.astype(data.draw(st.sampled_from([object, *DTYPES])))
        frame[key] = column
    loading = LoadingConfig(time_unit=data.draw(st.sampled_from([*SCALES, "timestamp", "ordinal"])))
    events = ours(lambda: load_events(frame, DataConfig(), loading))
    if events is not None:
        assert len(events) == len(frame)
        assert not frame[KEYS].isna().to_numpy().any()
        for key in (S, I):
            assert sorted(events[key]) == sorted(map(plain, frame[key]))
    ours(lambda: filter_sessions(frame, SessionFilterConfig(min_item_support=1)))
    ours(lambda: split_sessions(frame, DataSplitConfig(valid_fraction=0)))
    ours(lambda: describe_parts({"train": frame}))
    ours(lambda: Vocabulary.from_items(as_ids(frame[I], "items")))
    parts = ours(lambda: train_valid_test_split(frame, valid_fraction=0, test_fraction=0.4))
    if ours(lambda: order_sessions(frame, *KEYS)) is not None and parts is not None:
        check_model(parts[0], parts[2])


def plain(value: Any) -> Any:
    """An id as loading keeps it."""
    return str(value) if isinstance(value, str | uuid.UUID) else int(value)


@fewer_examples
@given(data=st.data())
def test_a_log_is_the_same_from_a_text_file(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    frame = pd.DataFrame(data.draw(sound_columns(data.draw(st.integers(1, 12)))))[KEYS]
    # whole numbers without exception are integers, whatever they were
    wanted = frame.assign(
        **{
            key: [int(value) for value in frame[key]]
            for key in (S, I)
            if all(str(value).isascii() and is_whole(str(value)) for value in frame[key])
        }
    )
    path: Path = tmp_path_factory.mktemp("logs") / "log.csv"
    frame.to_csv(path, index=False)
    events = ours(lambda: load_events(read_log(path), DataConfig(), LoadingConfig()))
    if "\0" in path.read_text(encoding="utf-8"):  # no text has that
        assert events is None
        return
    assert events is not None
    wanted = wanted.sort_values(ORDER, kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(table_to_frame(events), wanted, check_dtype=False)


PIECES = ["1", "2", "7.5", "é", "1500000000", "1500000001", ",", ",", "\n", "\n", "\r\n", "\r"]
PIECES += ['"', '""', ";", "\t", "|", "\0", "#", " ", "\\", "NULL", "\ufeff", "x" * 100]


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=30), header=st.booleans())
def test_broken_text_files_are_refused_or_read(
    pieces: list[str], header: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path: Path = tmp_path_factory.mktemp("logs") / "log.csv"
    start = "SessionId,ItemId,Time\n1,2,1500000000\n" if header else ""
    path.write_text(start + "".join(pieces), encoding="utf-8", newline="")
    log = ours(lambda: read_log(path))
    events = log is not None and ours(lambda: load_events(log, DataConfig(), LoadingConfig()))
    if events is not None and events is not False:
        filtered = ours(lambda: filter_sessions(events, SessionFilterConfig(min_item_support=1)))
        assert filtered is None or len(filtered[0].to_pyarrow()) > 0


def is_whole(text: str) -> bool:
    return text.removeprefix("-").isdigit() and str(int(text)) == text


@pytest.mark.parametrize("time", [math.inf, np.uint64(2**63), -1])
def test_tables_with_impossible_values_are_refused(time: Any) -> None:
    times = np.array([1, 2, 3, time], dtype=np.asarray(time).dtype)
    events = pd.DataFrame({S: [1, 1, 2, 2], I: [5, 6, 5, 6], T: times})
    for call in (
        lambda: filter_sessions(events, SessionFilterConfig(min_item_support=1)),
        lambda: split_sessions(events, DataSplitConfig(valid_fraction=0)),
        lambda: describe_parts({"train": events}),
    ):
        with pytest.raises(DataError, match="has 1 times that are negative, not finite or beyond"):
            call()
