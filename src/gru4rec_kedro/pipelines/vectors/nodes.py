"""Items and sessions as vectors; the work is done by `gru4rec`."""

import hashlib
from collections.abc import Iterator
from functools import partial

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from gru4rec import DataConfig, GRU4Rec, LoadingConfig, columns, load_events
from gru4rec_kedro.datasets import Part, Parts
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.reading import Piece, stream_pieces, with_ids_of
from gru4rec_kedro.spark_workers import has_workers, map_sessions


def make_item_vectors(model: GRU4Rec, recommendation: RecommendationConfig) -> Parts:
    """Turns the items of a model into vectors, whose last coordinate is the bias.

    Returns:
        Parts of a table: item, vector (a list of fixed size, float32); in the model's order.
    """
    return Parts(lambda: _items_in_parts(model, recommendation.sessions_per_part))


def make_session_vectors(
    sessions: ir.Table,
    model: GRU4Rec,
    data: DataConfig,
    loading: LoadingConfig,
    recommendation: RecommendationConfig,
) -> Parts | ir.Table:
    """Turns each session of a log into a vector, a part of the sessions at a time.

    Items that the model does not know are skipped.

    Returns:
        Session, vector (a list of fixed size, float32, that ends with 1): parts of a table, ordered
        by session; of sessions on Spark a table there, which its workers compute each time it is
        used.
    """
    events = with_ids_of(model, load_events(sessions, data, loading))
    kind = events.schema()[columns.SESSION].to_pyarrow()
    n_sessions = recommendation.sessions_per_part
    if has_workers(events):
        # Spark has no lists of fixed size
        schema = pa.schema([("session", kind), ("vector", pa.list_(pa.float32()))])
        return map_sessions(events, model, partial(_session_table, kind=kind), schema, n_sessions)
    return Parts(lambda: _sessions_in_parts(events, model, kind, n_sessions))


def _items_in_parts(model: GRU4Rec, size: int) -> Iterator[Part]:
    ids = model.vocabulary.ids
    kind = pa.string() if model.vocabulary.holds_text else pa.int64()
    for first in range(0, len(ids), size):
        some = ids[first : first + size]
        yield Part(
            _key(f"items {model.digest} {first} {len(some)}".encode()),
            lambda some=some: _table(model.item_vectors(some), kind),  # type: ignore[misc]
        )


def _sessions_in_parts(
    events: ir.Table, model: GRU4Rec, kind: pa.DataType, size: int
) -> Iterator[Part]:
    for piece in stream_pieces(events, model, size, "Vectors"):
        key = _key(f"sessions {model.digest}".encode() + piece.hash)
        yield Part(key, partial(_session_table, piece, model, kind))


def _session_table(piece: Piece, model: GRU4Rec, kind: pa.DataType) -> pa.Table:
    return _table(model.session_vectors(piece.by_session()), kind)


def _key(made_from: bytes) -> str:
    return hashlib.blake2b(made_from, digest_size=16).hexdigest()


def _table(frame: pd.DataFrame, kind: pa.DataType) -> pa.Table:
    """Makes ids, of a type, and vectors of a frame an Arrow table."""
    matrix = np.stack(frame["vector"].to_list())
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), matrix.shape[1])
    name = frame.columns[0]
    return pa.table({name: pa.array(frame[name], kind), "vector": vectors})
