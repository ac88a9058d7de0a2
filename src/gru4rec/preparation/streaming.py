"""A log in pieces: whole sessions in order, however large the log is."""

from collections.abc import Iterable, Iterator

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from gru4rec.columns import ITEM, SESSION
from gru4rec.preparation.engine.spark_rows import stream_from_spark
from gru4rec.preparation.events import order_keys
from gru4rec.preparation.queries import count_rows
from gru4rec.progress import ProgressDisplay

_ROWS_AT_A_TIME = 100_000


def stream_sessions(
    events: ir.Table, sessions_at_a_time: int, task: str = "Sessions"
) -> Iterator[pd.DataFrame]:
    """Yields whole sessions, a number of them at a time, and shows progress meanwhile.

    DuckDB sorts the log, and spills to disk what exceeds the memory limit of its connection; in
    this process is one piece. Until the last piece is taken, the connection serves no other query.
    Spark sorts it on its workers; in this process is one of its partitions at a time.

    Args:
        events: Events with canonical columns, in any order.
        sessions_at_a_time: Sessions of each piece; the last has those that are left.
        task: What is being done, for the progress display.

    Yields:
        `SessionId` and `ItemId` of the events in the order of session, time and place.
    """
    total = count_rows(events)
    rows = events.order_by(*order_keys(events)).select(SESSION, ITEM)
    done = 0
    with ProgressDisplay(task, total) as display:
        for piece in cut_sessions(_stream(rows), sessions_at_a_time):
            yield piece
            done += len(piece)
            display.update(done)


def cut_sessions(
    batches: Iterable[pa.RecordBatch], sessions_at_a_time: int
) -> Iterator[pd.DataFrame]:
    """Yields whole sessions of rows that come in batches, which may end inside a session.

    Args:
        batches: Columns `SessionId` and others; the rows of a session follow each other.
        sessions_at_a_time: Sessions of each piece; the last has those that are left.

    Yields:
        The rows, in their order.
    """
    pending: list[pd.DataFrame] = []
    n_begun, last = 0, None
    for batch in batches:
        frame = batch.to_pandas()
        if frame.empty:
            continue
        # not shift(): the gap that it leaves makes floats of integers, and of neighbours one id
        ids = frame[SESSION].to_numpy()
        starts = np.flatnonzero(np.append(not n_begun or ids[0] != last, ids[1:] != ids[:-1]))
        full = (n_begun + np.arange(len(starts))) % sessions_at_a_time == 0
        n_begun, last = n_begun + len(starts), ids[-1]
        begin = 0
        for cut in starts[full]:
            pending.append(frame.iloc[begin:cut])
            begin = cut
            if sum(map(len, pending)):  # not before the very first session
                yield pd.concat(pending, ignore_index=True)
            pending = []
        pending.append(frame.iloc[begin:])
    if pending:
        yield pd.concat(pending, ignore_index=True)


def _stream(rows: ir.Table) -> Iterable[pa.RecordBatch]:
    if rows.get_backend().name == "pyspark":
        return stream_from_spark(rows)
    batches: Iterable[pa.RecordBatch] = rows.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME)
    return batches
