"""Whether the world is still the same: what two models learnt from, and what happens now."""

from typing import Any

import numpy as np
import pandas as pd

from gru4rec import GRU4Rec, columns
from gru4rec_kedro.reading import in_order

_MOST_SESSIONS = 1000  # their mean overlap is within .03 of that of all


def item_counts(model: GRU4Rec) -> "pd.Series[Any]":
    """Training events by item."""
    return pd.Series(model.item_counts, index=model.vocabulary.ids)


def divergence(ours: "pd.Series[Any]", theirs: "pd.Series[Any]") -> float:
    """Jensen-Shannon divergence (Lin 1991, equation 4.1) of the shares of items, in bits.

    H((p + q)/2) − (H(p) + H(q))/2 for shares p and q of events by item: 0 where they are equal, 1
    where they have no item in common.

    Args:
        ours: Events by item; one that is absent has none.
        theirs: Likewise.
    """
    p, q = (counts / counts.sum() for counts in ours.align(theirs, fill_value=0))
    return _entropy((p + q) / 2) - (_entropy(p) + _entropy(q)) / 2


def _entropy(shares: "pd.Series[Any]") -> float:
    positive = shares[shares > 0].to_numpy(float)
    return -float(positive @ np.log2(positive))


def unknown_share(model: GRU4Rec, part: pd.DataFrame) -> float:
    """Share of events on items that a model does not know."""
    return float((model.vocabulary.encode(part[columns.ITEM]) < 0).mean())


def overlap(model: GRU4Rec, other: GRU4Rec, part: pd.DataFrame, k: int) -> float:
    """Share of the k best next items of one model that are among those of the other.

    The mean over the sessions of a part, or over a random sample of 1000 of them.
    """
    sessions = in_order(part).groupby(columns.SESSION)[columns.ITEM].agg(list)
    sampled = sessions.sample(min(_MOST_SESSIONS, len(sessions)), random_state=0).to_dict()
    ours, theirs = (of.recommend(sampled, k)[["session", "item"]] for of in (model, other))
    return len(ours.merge(theirs)) / len(ours)


def session_length(part: pd.DataFrame) -> float:
    """Mean number of events of a session."""
    return len(part) / part[columns.SESSION].nunique()


def training_session_length(model: GRU4Rec) -> float:
    """That of the last training; NaN where a model has no notes of it."""
    events, sessions = model.notes.get("events"), model.notes.get("sessions")
    is_noted = isinstance(events, int) and isinstance(sessions, int)
    return events / sessions if is_noted else float("nan")  # type: ignore[operator]
