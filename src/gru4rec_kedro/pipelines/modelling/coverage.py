"""Which items are recommended at all."""

import numpy as np
import pandas as pd

from gru4rec import GRU4Rec, columns
from gru4rec_kedro.reading import in_order

K = 20
_MOST_EVENTS = 5000  # enough for a share to be within 1.5 percentage points


def count_recommendations(
    model: GRU4Rec, part: pd.DataFrame, exclude_seen: bool = False
) -> tuple[pd.DataFrame, int]:
    """Counts how often each item is among the 20 best next items.

    The recommendations are those after each event but the last of a session, in a random sample
    of at most 5000 of these events.

    Args:
        model: A trained model.
        part: Events, one row each, in any order.
        exclude_seen: Leave out the items of the session itself.

    Returns:
        A row for each item of the model, most popular first: ItemId, `training_events`, `place`
        (by popularity, from 1) and `recommended`; and the number of sampled events.
    """
    prefixes = _sample_prefixes(model, part)
    best = model.recommend(prefixes, k=K, exclude_seen=exclude_seen)["item"].value_counts()
    ids = model.vocabulary.ids
    items = pd.DataFrame({columns.ITEM: ids, "training_events": model.item_counts})
    items = items.sort_values("training_events", ascending=False, kind="stable", ignore_index=True)
    items["place"] = np.arange(1, len(items) + 1)
    items["recommended"] = items[columns.ITEM].map(best).fillna(0).astype(np.int64)
    return items, len(prefixes)


def _sample_prefixes(model: GRU4Rec, part: pd.DataFrame) -> list[list[object]]:
    ordered = in_order(part[model.vocabulary.encode(part[columns.ITEM]) >= 0])
    sessions = ordered[columns.SESSION].to_numpy()
    firsts = np.flatnonzero(np.append(True, sessions[1:] != sessions[:-1]))
    begins = np.repeat(firsts, np.diff(np.append(firsts, len(sessions))))
    before_another = np.flatnonzero(np.append(sessions[1:] == sessions[:-1], False))
    n = min(_MOST_EVENTS, len(before_another))
    chosen = np.sort(np.random.default_rng(0).choice(before_another, n, replace=False))
    items = ordered[columns.ITEM].to_numpy()
    return [items[begins[event] : event + 1].tolist() for event in chosen]
