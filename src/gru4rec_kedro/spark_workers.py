"""Whole sessions of a Spark table, computed by Spark's workers."""

import io
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import torch
from ibis import _

from gru4rec import GRU4Rec
from gru4rec.columns import ITEM, SESSION
from gru4rec.preparation import cut_sessions, order_keys
from gru4rec_kedro.reading import Piece, tell_of_unknown

_ROWS_AT_A_TIME = 10_000  # of results, on their way from Python to Spark
_loaded: dict[str, GRU4Rec] = {}  # by its digest, the model that this worker has


def has_workers(table: ir.Table) -> bool:
    """Tells whether Spark's workers can compute with a table; a SQL warehouse lends none."""
    return bool(table.get_backend().name == "pyspark")


def map_sessions(
    events: ir.Table,
    model: GRU4Rec,
    compute: Callable[[Piece, GRU4Rec], pa.Table],
    schema: pa.Schema,
    n_sessions: int,
) -> ir.Table:
    """Makes a table of what Spark's workers compute from whole sessions, each time it is used.

    The model travels with the query. A worker's process reads it once, onto its CPU, without
    running code from it, and computes on one thread. A log line says how many events are on items
    that the model does not know.

    Args:
        events: Events on Spark with canonical columns, in any order.
        model: What to compute with.
        compute: Computes some sessions; workers find it by its name, so it is no lambda.
        schema: Of the rows that it returns.
        n_sessions: Sessions of one call, which are in a worker's memory together.
    """
    from pyspark.sql.pandas.types import from_arrow_schema  # noqa: PLC0415  (optional)

    counts = events.group_by(ITEM).agg(n=_.count()).to_pyarrow()
    is_known = model.vocabulary.encode(counts[ITEM].to_pandas()) >= 0
    numbers = counts["n"].to_numpy()
    tell_of_unknown(int(numbers[~is_known].sum()), int(numbers.sum()))
    packed = io.BytesIO()
    model.save(packed, with_optimizer=False)
    work = partial(_work, model.digest, packed.getvalue(), compute, schema, n_sessions)
    backend = events.get_backend()
    order = order_keys(events)
    rows = backend.raw_sql(backend.compile(events)).repartition(SESSION)
    rows = rows.sortWithinPartitions(*(column.get_name() for column in order))
    done = rows.select(SESSION, ITEM).mapInArrow(work, from_arrow_schema(schema))
    name = ibis.util.gen_name("sessions")
    done.createOrReplaceTempView(name)
    table = backend.table(name)
    drop = weakref.finalize(table.op(), done.sparkSession.catalog.dropTempView, name)
    drop.atexit = False  # Spark may have ended by then
    return table


def _work(
    digest: str,
    packed: bytes,
    compute: Callable[[Piece, GRU4Rec], pa.Table],
    schema: pa.Schema,
    n_sessions: int,
    batches: Iterator[pa.RecordBatch],
) -> Iterator[pa.RecordBatch]:
    """Computes the sessions of one partition; this runs on a worker."""
    with _one_thread():
        for part in cut_sessions(batches, n_sessions):
            if digest not in _loaded:
                _loaded.clear()
                _loaded[digest] = GRU4Rec.load(io.BytesIO(packed), "cpu")
            table = compute(Piece.of(part, _loaded[digest]), _loaded[digest])
            yield from table.cast(schema).to_batches(_ROWS_AT_A_TIME)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Lets torch compute on one thread: Spark has a worker for each core already."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
