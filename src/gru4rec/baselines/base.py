"""What all baselines share."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec import columns
from gru4rec.cards import Card, Shown, call, counted
from gru4rec.data.sessions import Sessions, order_sessions
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import ConfigError, NotFittedError, shown

Doubles = npt.NDArray[np.float64]
Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int64]


class Baseline(Shown, ABC):
    """A recommender to set beside GRU4Rec; a new one fills in `_learn` and `score_next`."""

    _vocabulary: Vocabulary | None = None
    _item_counts: Ints

    def fit(
        self,
        data: pd.DataFrame,
        item_key: str = columns.ITEM,
        session_key: str = columns.SESSION,
        time_key: str = columns.TIME,
    ) -> Self:
        """Learns from a log; what was learnt before is forgotten.

        Args:
            data: One row an event, in any order.
            item_key: Column of items.
            session_key: Column of sessions.
            time_key: Column of times.

        Returns:
            Itself.

        Raises:
            DataError: The data cannot be used.
        """
        sessions = order_sessions(data, session_key, item_key, time_key)
        vocabulary = Vocabulary.from_items(sessions.items)
        indices = vocabulary.encode(sessions.items)
        self._vocabulary = None  # until what is learnt fits it
        self._learn(indices, sessions, len(vocabulary))
        self._vocabulary = vocabulary
        self._item_counts = np.bincount(indices, minlength=len(vocabulary))
        return self

    def _options(self) -> Mapping[str, Any]:
        """The arguments that it was made with, as far as it keeps them by their names."""
        kept = vars(self) | {name.removeprefix("_"): value for name, value in vars(self).items()}
        return {n: kept[n] for n in inspect.signature(type(self)).parameters if n in kept}

    def _card(self) -> Card:
        facts = ["not fitted"]
        if self._vocabulary is not None:
            n_events = int(self._item_counts.sum())
            facts = [counted(len(self._vocabulary), "item"), counted(n_events, "event")]
        return Card(call(type(self), self._options()), facts)

    @property
    def vocabulary(self) -> Vocabulary:
        """Items of the training data.

        Raises:
            NotFittedError: `fit` was not called.
        """
        if self._vocabulary is None:
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit first")
        return self._vocabulary

    @property
    def item_counts(self) -> Ints:
        """Training events of each item, in the order of the vocabulary, shape (n_items,).

        Raises:
            NotFittedError: `fit` was not called.
        """
        _ = self.vocabulary  # says so where there is none
        return self._item_counts

    @abstractmethod
    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:
        """Counts, or trains, what `score_next` needs.

        Args:
            items: Item index of each event, shape (n_events,).
            sessions: Which events belong to which session, and the order of both.
            n_items: Different items.
        """

    @abstractmethod
    def score_next(self, items: Ints, offsets: Ints) -> Floats:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""


def check_at_least(least: float, **options: Any) -> None:
    """Refuses options below a bound.

    Raises:
        ConfigError: One is, or is not a number.
    """
    for name, value in options.items():
        if not value >= least:
            raise ConfigError(f"{name} is {shown(value)}; at least {least} is expected")


def last_items(items: Ints, offsets: Ints) -> Ints:
    """Returns the last item of each session so far, shape (n,)."""
    return items[offsets[1:] - 1]


def as_tie_breaker(counts: Ints) -> Doubles:
    """Scales counts of items to [0, 1): added to whole numbers they only decide between equals."""
    scaled: Doubles = counts / (counts.max() + 1)
    return scaled
