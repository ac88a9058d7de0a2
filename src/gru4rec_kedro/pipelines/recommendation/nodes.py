"""Recommendations for many sessions; the work is done by `gru4rec`."""

import hashlib
import logging
from collections.abc import Iterator
from functools import partial
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from gru4rec import DataConfig, GRU4Rec, LoadingConfig, columns, load_events
from gru4rec.preparation import load_items, stream_sessions
from gru4rec.serving import Shortlist
from gru4rec_kedro.datasets import Part, Parts
from gru4rec_kedro.options.parameters import RecommendationConfig

logger = logging.getLogger(__name__)


def recommend_items(
    sessions: ir.Table,
    model: GRU4Rec,
    candidates: ir.Table | None,
    data: DataConfig,
    loading: LoadingConfig,
    recommendation: RecommendationConfig,
) -> Parts:
    """Recommends next items for each session of a log, a part of the sessions at a time.

    Items that the model does not know are skipped. A session without a known item gets what is
    popular: the items with the highest biases.

    Returns:
        Parts of a table: session, rank (from 1), item, score; ordered by session and rank.
    """
    events = _with_ids_of(model, load_events(sessions, data, loading))
    shortlist = None
    if candidates is not None:
        items = _with_ids_of(model, load_items(candidates, data.item_key, loading.missing))
        shortlist = model.shortlist(items.to_pyarrow()[columns.ITEM].to_pandas())
    return Parts(lambda: _recommend_in_parts(events, model, shortlist, recommendation))


def _with_ids_of(model: GRU4Rec, items: ir.Table) -> ir.Table:
    """Turns items to text where the model's are: few of them may look like integers by chance."""
    if model.vocabulary.holds_text:
        return items.mutate(**{columns.ITEM: items[columns.ITEM].cast("string")})
    # another kind is refused before the first part is written
    model.vocabulary.encode(items.limit(1).to_pyarrow()[columns.ITEM].to_pandas())
    return items


def _recommend_in_parts(
    events: ir.Table, model: GRU4Rec, shortlist: Shortlist | None, options: RecommendationConfig
) -> Iterator[Part]:
    made_with = _digest(model, shortlist, options)
    schema = pa.schema(
        [
            ("session", events.schema()[columns.SESSION].to_pyarrow()),
            ("rank", pa.int32()),
            ("item", events.schema()[columns.ITEM].to_pyarrow()),
            ("score", pa.float32()),
        ]
    )
    n_sessions = n_events = n_unknown = 0
    for part in stream_sessions(events, options.sessions_per_part, "Recommend"):
        is_known = model.vocabulary.encode(part[columns.ITEM]) >= 0
        n_sessions += int(part[columns.SESSION].nunique())
        n_events += len(part)
        n_unknown += int((~is_known).sum())
        rows = pd.util.hash_pandas_object(part, index=False).to_numpy()
        key = hashlib.blake2b(made_with + rows.tobytes(), digest_size=16).hexdigest()
        yield Part(key, partial(_recommend, part, is_known, model, shortlist, options, schema))
    logger.info("Up to %d items for each of %s sessions", options.k, f"{n_sessions:,}")
    if n_unknown:
        logger.warning(
            "%s of %s events are on items that the model does not know, and were skipped",
            f"{n_unknown:,}",
            f"{n_events:,}",
        )


def _recommend(
    part: pd.DataFrame,
    is_known: Any,
    model: GRU4Rec,
    shortlist: Shortlist | None,
    options: RecommendationConfig,
    schema: pa.Schema,
) -> pa.Table:
    numbers, sessions = pd.factorize(part[columns.SESSION])
    lengths = np.bincount(numbers[is_known], minlength=len(sessions))
    items: list[Any] = np.split(part[columns.ITEM].to_numpy()[is_known], np.cumsum(lengths)[:-1])
    frame = model.recommend(
        dict(zip(sessions.tolist(), items, strict=True)),
        options.k,
        options.exclude_seen,
        shortlist,
    )
    return pa.Table.from_pandas(frame, schema, preserve_index=False)


def _digest(model: GRU4Rec, shortlist: Shortlist | None, options: RecommendationConfig) -> bytes:
    """Sums up all but the sessions that recommendations depend on."""
    digest = hashlib.blake2b(f"{options.k} {options.exclude_seen} {model.digest}".encode())
    if shortlist is not None:
        digest.update(b"shortlist")
        digest.update(shortlist.indices.data)
    return digest.digest()
