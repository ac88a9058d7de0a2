"""Items that go: their rows, their optimiser's, their counts."""

import dataclasses
import logging

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.errors import DataError
from gru4rec.learning.trainer import TrainingState
from gru4rec.model.network import Network

logger = logging.getLogger(__name__)

Ints = npt.NDArray[np.int64]

UNKNOWN_DAY = int(np.iinfo(np.int64).min)  # of an item that was learnt when days were not kept
_SECONDS = 86_400
_LATEST_DAY = 1_000_000  # the year 4707: times beyond it are counted in another unit


def days_of(seconds: npt.NDArray[np.number]) -> Ints:
    """Turns times since 1970 into UTC days since then, both of shape (n,)."""
    days: Ints = np.floor_divide(seconds, _SECONDS).astype(np.int64)
    return days


def last_days(items: Ints, seconds: npt.NDArray[np.number], n_items: int) -> Ints:
    """Finds the UTC day of each item's newest event.

    Args:
        items: Item index of each event, shape (n_events,).
        seconds: Time of each since 1970, shape (n_events,).
        n_items: Of the model.

    Returns:
        Days since 1970, shape (n_items,); `UNKNOWN_DAY` for items without an event.
    """
    days = np.full(n_items, UNKNOWN_DAY)
    np.maximum.at(days, items, days_of(seconds))
    return days


def newest(one: Tensor | None, other: Tensor) -> Tensor:
    """Returns the later of two days of each item; both shape (n,), but `one` may have fewer."""
    days = other.clone()
    if one is not None:
        days[: len(one)] = torch.maximum(one, other[: len(one)])
    return days


def find_unseen(state: TrainingState, present: Ints, today: int, n_days: int) -> Ints:
    """Finds the items that new data lacks and that had no event for so many days before it.

    Args:
        state: What the model has learnt before.
        present: Indices of its items that the new data has.
        today: Day of the newest event there.
        n_days: Days without an event after which an item goes.

    Returns:
        Their indices, ascending; none of those whose last day is not known.

    Raises:
        DataError: The times are in another unit than seconds.
    """
    if today > _LATEST_DAY:
        raise DataError(
            f"retire_after_days counts days in times of seconds since 1970, but the newest time "
            f"is {today * _SECONDS:,}; turn the time column into seconds or timestamps"
        )
    n_items = state.network.n_items
    days = np.full(n_items, UNKNOWN_DAY) if state.last_days is None else state.last_days.numpy()
    is_absent = np.ones(n_items, dtype=np.bool_)
    is_absent[present] = False
    is_unknown = is_absent & (days == UNKNOWN_DAY)
    if is_unknown.any():
        logger.warning(
            "%s items stay: the model was written before it kept when an item was last seen",
            f"{is_unknown.sum():,}",
        )
    return np.flatnonzero(is_absent & ~is_unknown & (days < today - n_days))


def without_items(state: TrainingState, gone: Ints) -> TrainingState:
    """Returns a state without some items; the others keep all that is theirs, and their order.

    Args:
        state: Is left as it is; the new one has the same tensors but for those with a row an item.
        gone: Indices, each once.
    """
    network = state.network
    kept = torch.from_numpy(np.delete(np.arange(network.n_items), gone))
    rows = kept.to(network.device)
    tables = {name: table[rows] for name, table in network.tables.items()}
    optimizer = state.optimizer.copy()
    for name in tables:
        optimizer.keep_rows(name, rows)
    return dataclasses.replace(
        state,
        network=Network(network.architecture, tables, network.dense),
        optimizer=optimizer,
        counts=state.counts[kept],
        last_days=None if state.last_days is None else state.last_days[kept],
        n_retired=state.n_retired + len(gone),
    )
