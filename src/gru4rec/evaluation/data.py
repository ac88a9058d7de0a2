"""A test set as arrays, and which of its events are targets."""

import functools
import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.config import WhichTargets
from gru4rec.data.sessions import Sessions, order_sessions
from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationData:
    """A test set in order, without unknown items.

    Attributes:
        sessions: The known events.
        indices: Item index of each, shape (n_known,).
        n_events: Events given.
    """

    sessions: Sessions
    indices: npt.NDArray[np.int64]
    n_events: int

    @property
    def n_unknown(self) -> int:
        """Events on items that the model does not know."""
        return self.n_events - len(self.indices)

    @functools.cached_property
    def places(self) -> npt.NDArray[np.int64]:
        """Events of the session before each, shape (n_known,)."""
        begins = self.sessions.offsets[self.sessions.session_of_event]
        return np.arange(len(self.indices)) - begins

    def asked(self, which: WhichTargets) -> npt.NDArray[np.bool_]:
        """Which events are targets, shape (n_known,): see `EvaluationConfig.targets`."""
        places = self.places
        is_asked: npt.NDArray[np.bool_] = places == 1 if which == "first" else places > 0
        if which == "last":
            is_asked[:-1] &= places[1:] == 0
        return is_asked

    def is_repeat(self) -> npt.NDArray[np.bool_]:
        """Which events are on an item that the session had before, shape (n_known,)."""
        events = pd.DataFrame({"session": self.sessions.session_of_event, "item": self.indices})
        return events.duplicated().to_numpy()

    def seen_before(self, events: npt.NDArray[np.int64]) -> list[list[int]]:
        """Returns the different items of the session before each of some events, ascending."""
        begins = events - self.places[events]
        bounds = zip(begins.tolist(), events.tolist(), strict=True)
        return [sorted(set(self.indices[begin:event].tolist())) for begin, event in bounds]


def prepare_evaluation(
    vocabulary: Vocabulary, test_data: pd.DataFrame, item_key: str, session_key: str, time_key: str
) -> EvaluationData:
    """Orders a test set and removes the items that the model does not know; see `rank_events`."""
    sessions = order_sessions(test_data, session_key, item_key, time_key)
    indices = vocabulary.encode(sessions.items)
    known = indices != UNKNOWN
    data = EvaluationData(sessions.keep(known), indices[known], len(known))
    if data.n_unknown:
        logger.warning(
            "%d of %d events are on items that the model does not know; they are left out",
            data.n_unknown,
            data.n_events,
        )
    if data.sessions.lengths.max() < 2:
        raise DataError(
            f"nothing to evaluate: of {data.n_events} events, {data.n_unknown} are on items that "
            "the model does not know, and no session has two of the others"
        )
    return data
