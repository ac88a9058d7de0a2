"""A log as arrays, in the one order that everything downstream walks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.errors import DataError
from gru4rec.vocabulary import Ids, as_ids


@dataclass(frozen=True)
class Sessions:
    """Events sorted by (session, time, item).

    Attributes:
        session_ids: Id of each session, ascending, shape (n_sessions,).
        items: Item id of each event, shape (n_events,).
        offsets: Session s owns the events offsets[s]:offsets[s + 1], shape (n_sessions + 1,).
        oldest_first: Session numbers by time of first event, ties by id, shape (n_sessions,).
    """

    session_ids: Ids
    items: Ids
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
            np.concatenate([[0], np.cumsum(kept)]),
            self.oldest_first,
        )


def order_sessions(data: pd.DataFrame, session_key: str, item_key: str, time_key: str) -> Sessions:
    """Checks a data frame of events and brings it into order; the row order never matters.

    Args:
        data: One row an event.
        session_key: Column with session ids: integers or text.
        item_key: Column with item ids: integers or text.
        time_key: Column with times: numbers or timestamps.

    Raises:
        DataError: A column is missing, the frame is empty, or values are missing or impossible.
    """
    if not isinstance(data, pd.DataFrame):
        raise DataError(f"a pandas DataFrame of events is expected, got {type(data).__name__}")
    missing = [key for key in (session_key, item_key, time_key) if key not in data.columns]
    if missing:
        raise DataError(
            f"column(s) {', '.join(map(repr, missing))} missing; the data has "
            f"{', '.join(map(repr, data.columns))}"
        )
    repeated = [key for key in (session_key, item_key, time_key) if data[key].ndim > 1]
    if repeated:
        raise DataError(f"the data has several columns named {repeated[0]!r}; keep one")
    if data.empty:
        raise DataError("the data has no events")
    sessions = as_ids(data[session_key], f"column {session_key!r}")
    items = as_ids(data[item_key], f"column {item_key!r}")
    times = _as_times(data[time_key], time_key)
    order = np.lexsort((_sortable(items), times, _sortable(sessions)))
    sessions, items, times = sessions[order], items[order], times[order]
    firsts = np.flatnonzero(np.concatenate([[True], sessions[1:] != sessions[:-1]]))
    return Sessions(
        session_ids=sessions[firsts],
        items=items,
        offsets=np.append(firsts, len(items)),
        oldest_first=np.argsort(times[firsts], kind="stable"),
    )


def _sortable(ids: Ids) -> npt.NDArray[np.int64]:
    if ids.dtype == object:
        return pd.factorize(ids, sort=True)[0].astype(np.int64)
    return ids


def _as_times(column: "pd.Series[Any]", name: str) -> npt.NDArray[Any]:
    n_missing = int(column.isna().sum())
    if n_missing:
        raise DataError(f"column {name!r} has {n_missing} missing value(s); drop them first")
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        # timestamps count from 1970; dtype strings of pandas differ in unit, their order does not
        return column.astype("int64").to_numpy()
    kind = column.dtype
    is_number = pd.api.types.is_integer_dtype(kind) or pd.api.types.is_float_dtype(kind)
    if not is_number:
        raise DataError(
            f"column {name!r} holds {column.iloc[0]!r}; times must be numbers or timestamps"
        )
    times = column.to_numpy()
    if not np.all(np.isfinite(times)):
        raise DataError(f"column {name!r} holds times that are not finite; drop them first")
    if times.min() < 0:
        raise DataError(f"column {name!r} holds the negative time {times.min()}")
    return times
