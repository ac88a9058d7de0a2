"""A log in pieces: whole sessions in order, however large the log is."""

from collections.abc import Iterator

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec.columns import ITEM, SESSION
from gru4rec.preparation.events import in_order
from gru4rec.preparation.queries import count_rows
from gru4rec.progress import ProgressDisplay

_ROWS_AT_A_TIME = 100_000


def stream_sessions(
    events: ir.Table, sessions_at_a_time: int, task: str = "Sessions"
) -> Iterator[pd.DataFrame]:
    """Yields whole sessions, a number of them at a time, and shows progress meanwhile.

    DuckDB sorts the log, and spills to disk what exceeds the memory limit of its connection; in
    this process is one piece. Until the last piece is taken, the connection serves no other query.

    Args:
        events: Events with canonical columns, in any order.
        sessions_at_a_time: Sessions of each piece; the last has those that are left.
        task: What is being done, for the progress display.

    Yields:
        `SessionId` and `ItemId` of the events in the order of session, time and place.
    """
    total = count_rows(events)
    rows = events.order_by(*in_order(events)).select(SESSION, ITEM)
    pending = pd.DataFrame()
    done = 0
    with ProgressDisplay(task, total) as display:
        for batch in rows.to_pyarrow_batches(chunk_size=_ROWS_AT_A_TIME):
            pending = pd.concat([pending, batch.to_pandas()], ignore_index=True)
            # not shift(): the gap that it leaves makes floats of integers, and of neighbours one id
            ids = pending[SESSION].to_numpy()
            starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1]))
            # the last session may go on in the next batch
            cuts = starts[sessions_at_a_time::sessions_at_a_time]
            for begin, end in zip([0, *cuts[:-1]], cuts, strict=False):
                yield pending.iloc[begin:end].reset_index(drop=True)
                done += end - begin
                display.update(done)
            if len(cuts):
                pending = pending.iloc[cuts[-1] :]
        if len(pending):
            yield pending.reset_index(drop=True)
            display.update(total)
