"""Ranks of the same targets by models that know different items."""

import numpy as np
import pandas as pd

from gru4rec import columns
from gru4rec.data.sessions import order_sessions
from gru4rec.data.vocabulary import UNKNOWN
from gru4rec.errors import DataError
from gru4rec.evaluation.data import EvaluationData
from gru4rec.evaluation.next_item import NextItemModel, check_model
from gru4rec.evaluation.ranks import RankedEvents, rank_prepared
from gru4rec.frames.ids import Ids


def rank_shared(
    gru: NextItemModel,
    test_data: pd.DataFrame,
    items: Ids,
    batch_size: int = 512,
    mode: str = "conservative",
    item_key: str = columns.ITEM,
    session_key: str = columns.SESSION,
    time_key: str = columns.TIME,
) -> RankedEvents:
    """Ranks each event on some items but the first of a session, whatever the model knows of them.

    `rank_events` leaves out what a model does not know, so models with other items are asked for
    other targets, and one that knows few is asked for the easy ones. Here the data and `items`
    alone decide what the targets are, in which order: results of models compare row by row. The
    model reads what it knows of a session, as it would in service. What it cannot rank counts as
    missed, with rank infinity: a target that it does not know, and one before which it knows
    nothing of the session.

    Args:
        gru: A trained GRU4Rec, a baseline, or another `NextItemModel`; ranks are those among its
            items.
        test_data: One row an event, in any order.
        items: Ids; events on others are left out.
        batch_size: Sessions that a network reads in parallel; changes nothing but rounding.
        mode: Tie handling, see `ranking.rank`.
        item_key: Column of items.
        session_key: Column of sessions.
        time_key: Column of times.

    Returns:
        Positions count the events on `items`; `n_unknown` is the number of events on others.

    Raises:
        ConfigError: `mode` or `batch_size` is not valid.
        DataError: The data cannot be used, no session has two events on the items, or the model's
            scores are not what `NextItemModel.score_next` promises.
    """
    check_model(gru)
    sessions = order_sessions(test_data, session_key, item_key, time_key)
    is_shared = pd.Series(sessions.items).isin(items).to_numpy()
    shared = sessions.keep(is_shared)
    indices = gru.vocabulary.encode(shared.items)
    is_known = indices != UNKNOWN
    every = EvaluationData(shared, indices, len(sessions.items))
    is_target = every.places > 0
    if not is_target.any():
        raise DataError(
            f"nothing to evaluate: of {len(is_shared)} events, {(~is_shared).sum()} are on other "
            f"items than the {len(items)} given ones, and no session has two of the others"
        )
    ranks, ties = np.full(len(indices), np.inf), np.zeros(len(indices), dtype=np.int64)
    known = EvaluationData(shared.keep(is_known), indices[is_known], len(sessions.items))
    can_rank = np.flatnonzero(is_known)[known.places > 0]
    if len(can_rank):
        ranked = rank_prepared(gru, known, batch_size, mode)
        ranks[can_rank], ties[can_rank] = ranked.ranks, ranked.ties
    return RankedEvents(
        sessions=shared.session_ids[shared.session_of_event[is_target]],
        positions=every.places[is_target],
        items=shared.items[is_target],
        ranks=ranks[is_target],
        ties=ties[is_target],
        n_events=every.n_events,
        n_unknown=every.n_unknown,
    )
