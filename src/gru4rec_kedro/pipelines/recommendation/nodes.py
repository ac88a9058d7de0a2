"""Recommendations for many sessions; the work is done by `gru4rec`."""

import hashlib
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import ibis.expr.types as ir
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gru4rec import DataConfig, GRU4Rec, LoadingConfig, columns, load_events
from gru4rec.preparation import load_items
from gru4rec.serving import Shortlist, titles_of
from gru4rec_kedro.datasets import Part, Parts
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.reading import Piece, stream_pieces, with_ids_of
from gru4rec_kedro.spark_workers import has_workers, map_sessions

logger = logging.getLogger(__name__)


def recommend_items(
    sessions: ir.Table,
    model: GRU4Rec,
    candidates: ir.Table | None,
    data: DataConfig,
    loading: LoadingConfig,
    recommendation: RecommendationConfig,
    items: pd.DataFrame | None = None,
) -> Parts | ir.Table:
    """Recommends next items for each session of a log, a part of the sessions at a time.

    Items that the model does not know are skipped. A session without a known item gets what is
    popular: the items with the highest biases.

    Returns:
        Session, rank (from 1), item, score, and title where there are titles: parts of a table,
        ordered by session and rank; of sessions on Spark a table there, which its workers compute
        each time it is used.
    """
    titles = {} if items is None else items["title"].to_dict()
    events = with_ids_of(model, load_events(sessions, data, loading))
    shortlist = None
    if candidates is not None:
        allowed = with_ids_of(model, load_items(candidates, data.item_key, loading.missing))
        shortlist = model.shortlist(allowed.to_pyarrow()[columns.ITEM].to_pandas())
    schema = pa.schema(
        [
            ("session", events.schema()[columns.SESSION].to_pyarrow()),
            ("rank", pa.int32()),
            ("item", events.schema()[columns.ITEM].to_pyarrow()),
            ("score", pa.float32()),
            *([("title", pa.string())] if titles else []),
        ]
    )
    if has_workers(events):
        # a shortlist is of one model object; workers have copies
        ids = None if shortlist is None else model.vocabulary.decode(shortlist.indices)
        compute = partial(
            _recommend, candidates=ids, titles=titles, options=recommendation, schema=schema
        )
        return map_sessions(events, model, compute, schema, recommendation.sessions_per_part)
    return Parts(
        lambda: _recommend_in_parts(events, model, shortlist, titles, recommendation, schema)
    )


def _recommend_in_parts(
    events: ir.Table,
    model: GRU4Rec,
    shortlist: Shortlist | None,
    titles: dict[Any, str],
    options: RecommendationConfig,
    schema: pa.Schema,
) -> Iterator[Part]:
    made_with = _digest(model, shortlist, titles, options)
    n_sessions = 0
    for piece in stream_pieces(events, model, options.sessions_per_part, "Recommend"):
        n_sessions += piece.n_sessions
        key = hashlib.blake2b(made_with + piece.hash, digest_size=16).hexdigest()
        yield Part(key, partial(_recommend, piece, model, shortlist, titles, options, schema))
    logger.info("Up to %d items for each of %s sessions", options.k, f"{n_sessions:,}")


def _recommend(
    piece: Piece,
    model: GRU4Rec,
    candidates: Shortlist | npt.NDArray[Any] | None,
    titles: dict[Any, str],
    options: RecommendationConfig,
    schema: pa.Schema,
) -> pa.Table:
    frame = model.recommend(piece.by_session(), options.k, options.exclude_seen, candidates)
    if titles:
        frame = frame.assign(title=titles_of(frame["item"], titles))
    return pa.Table.from_pandas(frame, schema, preserve_index=False)


def _digest(
    model: GRU4Rec,
    shortlist: Shortlist | None,
    titles: dict[Any, str],
    options: RecommendationConfig,
) -> bytes:
    """Sums up all but the sessions that recommendations depend on."""
    digest = hashlib.blake2b(f"{options.k} {options.exclude_seen} {model.digest}".encode())
    if shortlist is not None:
        digest.update(b"shortlist")
        digest.update(shortlist.indices.data)
    if titles:
        digest.update(f"titles {sorted(titles.items())}".encode())
    return digest.digest()
