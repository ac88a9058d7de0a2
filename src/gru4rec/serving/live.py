"""Sessions as they happen."""

import functools
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np
import pandas as pd
from torch import Tensor

from gru4rec.cards import Card, Shown, call, counted, some
from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.frames.ids import as_ids
from gru4rec.model.network import Network
from gru4rec.serving.recommendations import (
    as_column,
    best_items,
    check_k,
    reading,
    recommendations,
)
from gru4rec.serving.shortlist import Shortlist, as_shortlist
from gru4rec.serving.state import SessionState, check_state, pack, unpack

_SHOWN = 5  # items


class LiveSession(Shown):
    """One session as it happens: takes an item at a time, at the cost of one step.

    The model is only read, so any number of sessions can share it.

    Args:
        network: The weights.
        vocabulary: The items of the model.
        digest: Returns the digest of the two, see `state.digest_of`.
        session: Id of the session in results.
    """

    def __init__(
        self, network: Network, vocabulary: Vocabulary, digest: Callable[[], str], session: Any = 0
    ) -> None:
        self._network, self._vocabulary, self._digest = network, vocabulary, digest
        self._session = session
        self._hidden = network.zero_state(1)
        self._items: list[Any] = []
        # of so many items the indices of those that the model knows: looked up once, when asked for
        self._n_looked_up, self._seen = 0, list[int]()

    def __getstate__(self) -> NoReturn:
        raise TypeError(
            "a live session would be pickled with its whole model; keep what state() returns, and "
            "go on with live_session(state=...) of a model"
        )

    def _card(self) -> Card:
        n, n_unknown = len(self._items), len(self._items) - len(self.seen())
        facts = [counted(n, "click")]
        if n_unknown:
            facts[0] += f" ({n_unknown:,} unknown)"
        if n:
            facts.append(f"last {some(self._items[: -_SHOWN - 1 : -1], n, _SHOWN)}")
        following = self.recommend(_SHOWN)
        facts.append(f"next {some(following['item'], _SHOWN)}")
        return Card(call(LiveSession, {"session": self._session}), facts, following)

    def add(self, item: Any) -> bool:
        """Takes the next item of the session.

        Returns:
            Whether the model knows the item; an unknown one is skipped.

        Raises:
            DataError: The item is of another kind than the model's.
        """
        index = self._vocabulary.find(item)
        # plain: as a state it may go into JSON
        plain = item if type(item) in {int, str} else as_ids([item], "item ids").tolist()[0]
        if index != UNKNOWN:
            with reading():
                self._hidden = self._network.read(np.array([index]), self._hidden)
        self._items.append(plain)
        return index != UNKNOWN

    def recommend(
        self,
        k: int = 20,
        exclude_seen: bool = False,
        candidates: Iterable[Any] | Shortlist | None = None,
    ) -> pd.DataFrame:
        """Recommends next items; arguments and result are those of `GRU4Rec.recommend`."""
        check_k(k)
        shortlist = as_shortlist(candidates, self._vocabulary)
        seen = [self.seen()] if exclude_seen else None
        with reading():
            best = best_items(self._network, self.hidden, k, seen, shortlist)
        return recommendations(self._vocabulary, self._column, best)

    @functools.cached_property
    def _column(self) -> Any:
        return as_column([self._session])

    @property
    def hidden(self) -> Tensor:
        """The last layer's state, which items are scored by, shape (1, units)."""
        return self._hidden[-1]

    def seen(self) -> list[int]:
        """Returns the indices of its items that the model knows."""
        new = map(self._vocabulary.find, self._items[self._n_looked_up :])
        self._seen += [index for index in new if index != UNKNOWN]
        self._n_looked_up = len(self._items)
        return self._seen

    def state(self) -> SessionState:
        """Returns what the session has come to, from which `GRU4Rec.live_session` goes on.

        It holds plain values, a few kilobytes, and the model's digest instead of the model. The
        first call for a model reads all its weights for that, later ones take microseconds.
        """
        return SessionState(
            model=self._digest(), items=self._items.copy(), hidden=pack(self._hidden)
        )

    def restore(self, state: SessionState) -> None:
        """Goes on from a state: bit for bit where it is of this model.

        One of another model is made anew from its items.

        Raises:
            DataError: It is no state, or its items are of another kind than the model's.
        """
        state = check_state(state)
        if state["model"] == self._digest():
            self._hidden = unpack(state["hidden"], self._network)
            self._items, self._n_looked_up, self._seen = state["items"].copy(), 0, []
            return
        self._hidden, self._items = self._network.zero_state(1), []
        self._n_looked_up, self._seen = 0, []
        for item in state["items"]:
            self.add(item)
