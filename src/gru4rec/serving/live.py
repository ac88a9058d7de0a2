"""Sessions as they happen."""

from collections.abc import Iterable
from typing import Any

import pandas as pd
import torch

from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.model.network import Network
from gru4rec.serving.recommendations import (
    as_column,
    best_items,
    check_k,
    reading,
    recommendations,
)
from gru4rec.serving.shortlist import Shortlist, as_shortlist


class LiveSession:
    """One session as it happens: takes an item at a time, at the cost of one step.

    The model is only read, so any number of sessions can share it.

    Args:
        network: The weights.
        vocabulary: The items of the model.
        session: Id of the session in results.
    """

    def __init__(self, network: Network, vocabulary: Vocabulary, session: Any = 0) -> None:
        self._network, self._vocabulary = network, vocabulary
        self._session = as_column([session])
        self._hidden = network.zero_state(1)
        self._seen: list[int] = []

    def add(self, item: Any) -> bool:
        """Takes the next item of the session.

        Returns:
            Whether the model knows the item; an unknown one is skipped.

        Raises:
            DataError: The item is of another kind than the model's.
        """
        index = self._vocabulary.find(item)
        if index == UNKNOWN:
            return False
        with reading():
            x = self._network.embed(torch.tensor([index], device=self._network.device))
            self._hidden = self._network.advance(x, self._hidden)
        self._seen.append(index)
        return True

    def recommend(
        self,
        k: int = 20,
        exclude_seen: bool = False,
        candidates: Iterable[Any] | Shortlist | None = None,
    ) -> pd.DataFrame:
        """Recommends next items; arguments and result are those of `GRU4Rec.recommend`."""
        check_k(k)
        shortlist = as_shortlist(candidates, self._vocabulary)
        seen = [self._seen] if exclude_seen else None
        with reading():
            best = best_items(self._network, self._hidden[-1], k, seen, shortlist)
        return recommendations(self._vocabulary, self._session, best)
