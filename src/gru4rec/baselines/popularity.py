"""What is popular: in all sessions, or in this one."""

import numpy as np

from gru4rec.baselines.base import Baseline, Doubles, Ints, as_tie_breaker
from gru4rec.data.sessions import Sessions


class Popularity(Baseline):
    """The most frequent items of the training data, whatever the session (POP, ICLR 2016).

    The score of an item is the number of its training events.
    """

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:  # noqa: ARG002
        self._counts = np.bincount(items, minlength=n_items)

    def score_next(self, items: Ints, offsets: Ints) -> Doubles:  # noqa: ARG002
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        shape = len(offsets) - 1, len(self._counts)
        return np.broadcast_to(self._counts.astype(np.float64), shape)


class SessionPopularity(Baseline):
    """The most frequent items of the session so far (S-POP, ICLR 2016).

    The score of item i is n(i) + c(i) / (1 + maxⱼ c(j)): its events n in the session, and between
    items with as many, its training events c.
    """

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:  # noqa: ARG002
        self._popularity = as_tie_breaker(np.bincount(items, minlength=n_items))

    def score_next(self, items: Ints, offsets: Ints) -> Doubles:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        scores = np.tile(self._popularity, (len(offsets) - 1, 1))
        rows = np.repeat(np.arange(len(scores)), np.diff(offsets))
        np.add.at(scores, (rows, items), 1.0)
        return scores
