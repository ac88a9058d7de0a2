"""What goes with the last item: next in a session, or anywhere in it."""

from typing import Any

import numpy as np
from scipy import sparse

from gru4rec.baselines.base import (
    Baseline,
    Doubles,
    Ints,
    as_tie_breaker,
    check_at_least,
    last_items,
)
from gru4rec.data.sessions import Sessions


class MarkovChain(Baseline):
    """A first-order Markov chain: what followed the last item (Ludewig & Jannach 2018, MC).

    The score of item i after item l is n(l → i) + c(i) / (1 + maxⱼ c(j)): how often i was the very
    next event after l, and between items that were as often, or never, its training events c.
    """

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:
        session = sessions.session_of_event
        follows = np.flatnonzero(session[1:] == session[:-1])
        pairs = items[follows], items[follows + 1]
        self._counts = _count(*pairs, (n_items, n_items))
        self._popularity = as_tie_breaker(np.bincount(items, minlength=n_items))

    def score_next(self, items: Ints, offsets: Ints) -> Doubles:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        scores: Doubles = self._counts[last_items(items, offsets)].toarray()
        scores += self._popularity
        return scores


class ItemKNN(Baseline):
    """Items of the sessions that the last item was in (Item-KNN, ICLR 2016).

    The similarity of items i ≠ j is the regularised cosine of their sessions,
    |Sᵢ ∩ Sⱼ| / √((|Sᵢ| + λ)(|Sⱼ| + λ)) with Sᵢ the training sessions with item i; λ keeps rare
    items from being very similar by chance. An item is not similar to itself.

    Args:
        regularization: λ ≥ 0.
    """

    def __init__(self, regularization: float = 20.0) -> None:
        check_at_least(0, regularization=regularization)
        self.regularization = regularization

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:
        shape = len(sessions.lengths), n_items
        self._items_of_session = _count(sessions.session_of_event, items, shape)
        self._items_of_session.data[:] = 1.0  # once or often in a session is the same
        self._sessions_of_item = self._items_of_session.T.tocsr()
        support = np.diff(self._sessions_of_item.indptr)
        self._weights = 1 / np.sqrt(support + self.regularization)

    def score_next(self, items: Ints, offsets: Ints) -> Doubles:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        last, rows = np.unique(last_items(items, offsets), return_inverse=True)
        scores: Doubles = (self._sessions_of_item[last] @ self._items_of_session).toarray()
        scores *= self._weights[last, None] * self._weights
        scores[np.arange(len(last)), last] = 0.0
        return scores[rows]


def _count(rows: Ints, columns: Ints, shape: tuple[int, int]) -> Any:
    """Counts pairs; a sparse matrix in CSR form."""
    return sparse.coo_array((np.ones(len(rows)), (rows, columns)), shape).tocsr()
