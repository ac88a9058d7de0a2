"""What was in similar sessions: the session-kNN family."""

from abc import abstractmethod
from math import inf

import numpy as np
import torch

from gru4rec.baselines.base import Baseline, Doubles, Ints, check_at_least
from gru4rec.compute import SessionIndex, engine_of
from gru4rec.data.sessions import Sessions
from gru4rec.errors import ConfigError, shown


class _SessionKNN(Baseline):
    """Scores items by the k most similar of the m most recent sessions that share an item.

    The score of item i after the session s is Σₙ sim(s, n) w(i, n | s) over the neighbours n that
    contain i; items of s may be recommended again. How recent a session is, is told by its first
    event. Of equally similar sessions the more recent ones are taken.

    Args:
        k: Neighbours.
        m: Candidates: the most recent sessions with an item of the current one.
    """

    _normalised = True  # whether similarities are divided by the lengths
    _distance_decay = inf

    def __init__(self, k: int, m: int) -> None:
        check_at_least(1, k=k, m=m)
        if max(k, m) >= 2**31:
            raise ConfigError(f"k is {shown(k)}, m {shown(m)}; less than 2**31 is expected")
        self.k, self.m = k, m

    @abstractmethod
    def _weigh(self, behind: Ints, lengths: Ints) -> Doubles:
        """Weights of the events of sessions so far.

        Args:
            behind: Events of the session after this one, shape (n,).
            lengths: Events of its session, shape (n,).

        Returns:
            Shape (n,).
        """

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:
        age = np.empty_like(sessions.oldest_first)
        age[sessions.oldest_first] = np.arange(len(age))
        session = age[sessions.session_of_event]  # 0 is the oldest
        places = np.arange(len(items)) - sessions.offsets[sessions.session_of_event]
        by_session = np.lexsort((places, items, session))
        session, items, places = session[by_session], items[by_session], places[by_session]
        # of repeated items the last place counts
        is_last = np.append((session[1:] != session[:-1]) | (items[1:] != items[:-1]), True)
        session, items, places = session[is_last], items[is_last], places[is_last]
        by_item = np.argsort(items, kind="stable")  # oldest session first
        self._index = SessionIndex(
            _offsets(items[by_item], n_items),
            session[by_item],
            places[by_item],
            _offsets(session, len(age)),
            items,
            places,
        )

    def score_next(self, items: Ints, offsets: Ints) -> Doubles:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        lengths = np.repeat(np.diff(offsets), np.diff(offsets))
        behind = np.repeat(offsets[1:], np.diff(offsets)) - 1 - np.arange(len(items))
        return engine_of(torch.device("cpu")).score_neighbours(
            items,
            self._weigh(behind, lengths),
            offsets,
            self._index,
            self.k,
            self.m,
            self._normalised,
            self._distance_decay,
        )


class SKNN(_SessionKNN):
    """Session-kNN (S-KNN; Jannach & Ludewig, RecSys 2017).

    sim(s, n) = |s ∩ n| / √(|s| |n|), the cosine of the sets of items; w = 1.

    Args:
        k: Neighbours.
        m: Candidates: the most recent sessions with an item of the current one.
    """

    def __init__(self, k: int = 100, m: int = 500) -> None:
        super().__init__(k, m)

    def _weigh(self, behind: Ints, lengths: Ints) -> Doubles:  # noqa: ARG002
        return np.ones(len(behind))


class VSKNN(_SessionKNN):
    """Vector multiplication session-kNN (V-SKNN; Ludewig & Jannach, UMUAI 2018).

    sim(s, n) = Σ p(i) / |s| over the items i that s and n share, with p(i) = 1, …, |s| the place of
    the item in s (of a repeated item, the last): a linear decay towards the beginning; w = 1.

    Args:
        k: Neighbours.
        m: Candidates: the most recent sessions with an item of the current one.
    """

    _normalised = False

    def __init__(self, k: int = 100, m: int = 500) -> None:
        super().__init__(k, m)

    def _weigh(self, behind: Ints, lengths: Ints) -> Doubles:
        return (lengths - behind) / lengths


class STAN(_SessionKNN):
    """Sequence- and time-aware neighbourhood without its time (STAN; Garg et al., SIGIR 2019).

    sim(s, n) = Σ exp(−b(i) / λ₁) / √(|s| |n|) over the items i that s and n share, with b(i) the
    events of s after i; w(i, n | s) = exp(−|p(i, n) − p(i*, n)| / λ₃) with p the place in n and i*
    the newest item of s that n has too. The paper's decay with the age of n (λ₂) is left out: times
    of prepared data may be mere order.

    Args:
        k: Neighbours.
        m: Candidates: the most recent sessions with an item of the current one.
        session_decay: λ₁ > 0, in events of the current session.
        distance_decay: λ₃ > 0, in events of the neighbour.
    """

    def __init__(
        self, k: int = 100, m: int = 500, session_decay: float = 1.0, distance_decay: float = 1.0
    ) -> None:
        super().__init__(k, m)
        check_at_least(1e-6, session_decay=session_decay, distance_decay=distance_decay)
        self.session_decay = session_decay
        self._distance_decay = distance_decay

    def _weigh(self, behind: Ints, lengths: Ints) -> Doubles:  # noqa: ARG002
        return np.exp(-behind / self.session_decay)


def _offsets(sorted_numbers: Ints, n: int) -> Ints:
    """Where each of the numbers 0, …, n − 1 begins; shape (n + 1,)."""
    return np.searchsorted(sorted_numbers, np.arange(n + 1))
