"""Recommendations from allowed items only: what is in stock, of one category, not yet bought."""

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gru4rec.cards import Card, Shown, some
from gru4rec.compute import Best
from gru4rec.data.vocabulary import UNKNOWN, Indices, Vocabulary
from gru4rec.errors import DataError, shortened, shown
from gru4rec.evaluation.ranking import best_among
from gru4rec.model.network import Network

logger = logging.getLogger(__name__)


class Shortlist(Shown):
    """The items that may be recommended, checked once for any number of calls.

    Args:
        items: Item ids in any order; repeats count once, and items that the model does not know
            are left out and counted in a log line.
        vocabulary: The items of the model.

    Attributes:
        indices: Their indices, ascending, shape (n,).

    Raises:
        DataError: `items` is no collection of ids, of another kind than the model's ids, or the
            model knows none of them.
    """

    def __init__(self, items: Iterable[Any], vocabulary: Vocabulary) -> None:
        if isinstance(items, str) or not isinstance(items, Iterable):
            raise DataError(f"candidates is {shown(items)}; a collection of item ids is expected")
        ids = items if isinstance(items, pd.Series | np.ndarray) else list(items)
        indices = vocabulary.encode(ids)
        self.vocabulary = vocabulary
        self.indices: Indices = np.unique(indices[indices != UNKNOWN])
        n_unknown = int((indices == UNKNOWN).sum())
        if not len(indices):
            raise DataError("candidates is empty; leave it out to allow the whole catalogue")
        if n_unknown == len(indices):
            some = ", ".join(shortened(str(item)) for item in ids[:3])
            raise DataError(
                f"the model knows none of the {n_unknown} candidates (such as {some}); are they "
                "ids of items that it was trained on?"
            )
        if n_unknown:
            logger.warning(
                "%d of %d candidates are unknown to the model and left out", n_unknown, len(indices)
            )

    def _card(self) -> Card:
        ids = self.vocabulary.decode(self.indices[:6]).tolist()
        return Card(
            "Shortlist",
            [f"{len(self):,} of {len(self.vocabulary):,} items", some(ids, len(self))],
        )

    def __len__(self) -> int:
        return len(self.indices)

    def top_k(
        self, network: Network, states: Tensor, k: int, seen: list[list[int]] | None = None
    ) -> Best:
        """Does what `ranking.top_k` does, among these items; no other item is scored."""
        items = torch.from_numpy(self.indices).to(network.device)
        return best_among(network, items, states, k, seen)


def as_shortlist(
    candidates: Iterable[Any] | Shortlist | None, vocabulary: Vocabulary
) -> Shortlist | None:
    """Takes the argument `candidates`; None stays None: the whole catalogue.

    Raises:
        DataError: See `Shortlist`; or a shortlist was made for other items than the model has.
    """
    if candidates is None:
        return None
    if not isinstance(candidates, Shortlist):
        return Shortlist(candidates, vocabulary)
    if candidates.vocabulary is not vocabulary:
        raise DataError(
            "the shortlist was made for another model, or before this one learnt or lost items; "
            "make it again with shortlist()"
        )
    return candidates
