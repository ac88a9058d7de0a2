from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.preparation import cut_sessions, private_connection, stream_sessions


def as_table(frame: pd.DataFrame, folder: Path):
    frame.to_parquet(folder / "log.parquet")
    return private_connection("256MB").read_parquet(str(folder / "log.parquet"))


@pytest.fixture
def log() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    sessions = np.repeat(np.arange(50), rng.integers(1, 9, 50))
    n = len(sessions)
    frame = pd.DataFrame(
        {SESSION: sessions, ITEM: rng.integers(0, 9, n), TIME: rng.integers(0, 5, n)}
    )
    return frame.sample(frac=1, random_state=1)


@pytest.mark.parametrize("text", [False, True], ids=["integers", "text"])
@pytest.mark.parametrize("rows", [1, 7, 1000])
@pytest.mark.parametrize("n", [1, 3, 10, 50, 99])
def test_pieces_are_whole_sessions_in_order(
    log: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    rows: int,
    text: bool,
) -> None:
    monkeypatch.setattr("gru4rec.preparation.streaming._ROWS_AT_A_TIME", rows)
    if text:
        log[SESSION] = "s" + log[SESSION].astype(str).str.zfill(2)
        log[ITEM] = "i" + log[ITEM].astype(str)

    pieces = list(stream_sessions(as_table(log, tmp_path), n))

    expected = log.sort_values([SESSION, TIME, ITEM], ignore_index=True)[[SESSION, ITEM]]
    pd.testing.assert_frame_equal(pd.concat(pieces, ignore_index=True), expected)
    assert [piece[SESSION].nunique() for piece in pieces] == [
        min(n, 50 - first) for first in range(0, 50, n)
    ]
    for one, next_one in pairwise(pieces):
        assert one[SESSION].iloc[-1] < next_one[SESSION].iloc[0]


def test_large_ids_that_are_neighbours_are_sessions_of_their_own(tmp_path: Path) -> None:
    ids = [2**60, 2**60 + 1, 2**60 + 1, 2**60 + 2]
    log = pd.DataFrame({SESSION: ids, ITEM: 1, TIME: 1})
    pieces = list(stream_sessions(as_table(log, tmp_path), 1))
    assert [piece[SESSION].tolist() for piece in pieces] == [ids[:1], ids[1:3], ids[3:]]


def test_progress_reaches_the_number_of_events(
    log: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[int] = []
    monkeypatch.setattr("gru4rec.progress.ProgressDisplay.update", lambda _, n: done.append(n))

    pieces = list(stream_sessions(as_table(log, tmp_path), 20))

    assert done == np.cumsum([len(piece) for piece in pieces]).tolist()


def test_an_empty_log_has_no_pieces(log: pd.DataFrame, tmp_path: Path) -> None:
    assert list(stream_sessions(as_table(log.head(0), tmp_path), 20)) == []


@given(
    lengths=st.lists(st.integers(1, 9), max_size=12),
    rows=st.integers(1, 8),
    n=st.integers(1, 5),
    gaps=st.booleans(),
)
def test_sessions_are_whole_wherever_batches_end(
    lengths: list[int], rows: int, n: int, gaps: bool
) -> None:
    ids = np.repeat(np.arange(len(lengths)), lengths)
    table = pa.table({SESSION: ids, ITEM: np.arange(len(ids))})
    batches = table.to_batches(max_chunksize=rows)
    if gaps:  # Spark may give batches without rows
        batches = [batch for some in batches for batch in (some.slice(0, 0), some)]

    pieces = list(cut_sessions(batches, n))

    expected = [list(range(len(lengths)))[first : first + n] for first in range(0, len(lengths), n)]
    assert [piece[SESSION].unique().tolist() for piece in pieces] == expected
    assert [i for piece in pieces for i in piece[ITEM]] == list(range(len(ids)))
