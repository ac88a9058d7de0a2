"""A log as arrays, in the one order that everything downstream walks."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.columns import PLACE
from gru4rec.config import MANY_EQUAL_TIMES
from gru4rec.errors import DataError
from gru4rec.frames.events import pick_events
from gru4rec.frames.ids import Ids, as_ids
from gru4rec.frames.times import as_times

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sessions:
    """Events sorted by session and time, in equal times by what the data says.

    Attributes:
        session_ids: Id of each session, ascending, shape (n_sessions,).
        items: Item id of each event, shape (n_events,).
        times: Of each event, see `frames.times.as_times`, shape (n_events,).
        offsets: Session s owns the events offsets[s]:offsets[s + 1], shape (n_sessions + 1,).
        oldest_first: Session numbers by time of first event, ties by id, shape (n_sessions,).
    """

    session_ids: Ids
    items: Ids
    times: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]
    oldest_first: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Events of each session, shape (n_sessions,)."""
        return np.diff(self.offsets)

    @property
    def session_of_event(self) -> npt.NDArray[np.int64]:
        """Session number of each event, shape (n_events,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    def keep(self, wanted: npt.NDArray[np.bool_]) -> "Sessions":
        """Returns the log with only the wanted events (n_events,); sessions may become empty."""
        kept = np.bincount(self.session_of_event[wanted], minlength=len(self.lengths))
        return Sessions(
            self.session_ids,
            self.items[wanted],
            self.times[wanted],
            np.concatenate([[0], np.cumsum(kept)]),
            self.oldest_first,
        )


def order_sessions(data: pd.DataFrame, session_key: str, item_key: str, time_key: str) -> Sessions:
    """Checks a data frame of events and brings it into order.

    Events of a session in equal times are in the order of `PlaceInSession`, which `load_events`
    adds where they are, or else in that of the rows.

    Args:
        data: One row an event.
        session_key: Column with session ids: integers or text.
        item_key: Column with item ids: integers or text.
        time_key: Column with times: numbers or timestamps.

    Raises:
        DataError: A column is missing, the frame is empty, or values are missing or impossible.
    """
    keys = (session_key, item_key, time_key)
    if len(set(keys)) < len(keys):
        raise DataError(
            f"session_key, item_key and time_key are {', '.join(map(repr, keys))}; each names a "
            "column of its own"
        )
    columns = pick_events(data, keys, PLACE)
    sessions, items = (as_ids(columns[key], f"The column {key!r}") for key in keys[:2])
    times = as_times(columns[time_key])
    places = [as_times(columns[PLACE])] if PLACE in columns else []
    # stable: events in equal times stay as they are
    order = np.lexsort((*places, times, _sortable(sessions)))
    sessions, items, times = sessions[order], items[order], times[order]
    changes = sessions[1:] != sessions[:-1]
    if not places:
        _warn_of_equal_times(~changes & (times[1:] == times[:-1]))
    firsts = np.flatnonzero(np.concatenate([[True], changes]))
    return Sessions(
        session_ids=sessions[firsts],
        items=items,
        times=times,
        offsets=np.append(firsts, len(items)),
        oldest_first=np.argsort(times[firsts], kind="stable"),
    )


def _warn_of_equal_times(equal: npt.NDArray[np.bool_]) -> None:
    """Warns where many events have the time of the one before them in their session, (n − 1,)."""
    in_equal = np.append(equal, False) | np.append(False, equal)
    if in_equal.mean() > MANY_EQUAL_TIMES:
        logger.warning(
            "%s of %s events share their time with another of their session, and are taken in the "
            "order of the rows; where that is not the order of the clicks, a network learns an "
            "order that is not there. Give finer times, or sort the rows as they were clicked",
            f"{in_equal.sum():,}",
            f"{len(in_equal):,}",
        )


def _sortable(ids: Ids) -> npt.NDArray[np.int64]:
    if ids.dtype == object:
        return pd.factorize(ids, sort=True)[0].astype(np.int64)
    return ids
