import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import DataError
from gru4rec.evaluation.ranking import top_k
from gru4rec.model.network import Architecture, Network
from gru4rec.serving.shortlist import Shortlist, as_shortlist

MakeNetwork = Callable[..., Network]

VOCABULARY = Vocabulary(np.array([50, 30, 40, 10, 20]))


@pytest.mark.parametrize(
    "items",
    [[10, 40, 10], (40, 10), {10, 40}, np.array([10, 40]), pd.Series([40, 10]), range(10, 41, 30)],
    ids=lambda items: type(items).__name__,
)
def test_candidates_are_indices_in_order_and_once(items: Any) -> None:
    shortlist = Shortlist(items, VOCABULARY)

    assert shortlist.indices.tolist() == [2, 3]
    assert len(shortlist) == 2


def test_unknown_candidates_are_counted_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert Shortlist([99, 10, 98], VOCABULARY).indices.tolist() == [3]

    assert caplog.messages == ["2 of 3 candidates are unknown to the model and left out"]


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], "candidates is empty; leave it out to allow the whole catalogue"),
        ([97, 98, 99, 96], r"the model knows none of the 4 candidates \(such as 97, 98, 99\)"),
        ("10", "candidates is '10'; a collection of item ids is expected"),
        (10, "candidates is 10; a collection"),
        (["10"], "the model knows its items by integers, but text were given"),
        ([10, None], "item ids has 1 missing value"),
    ],
)
def test_what_are_no_candidates_is_refused(items: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        Shortlist(items, VOCABULARY)


def test_top_k_leaves_seen_items_out_whether_they_are_candidates_or_not(
    architecture: Architecture, make_network: MakeNetwork
) -> None:
    network = make_network(architecture, 5)
    states = torch.randn(3, 4, generator=torch.Generator().manual_seed(1))
    seen = [[], [2, 0, 4], [3, 2]]

    best = Shortlist([10, 40], VOCABULARY).top_k(network, states, 5, seen)

    assert best.lengths.tolist() == [2, 1, 0]
    assert (sorted(best.items[:2]), best.items[2]) == ([2, 3], 3)
    assert best.scores[0] >= best.scores[1]
    for row, item, score in zip([0, 0, 1], best.items, best.scores, strict=True):
        everywhere = top_k(network, states[row : row + 1], 5)
        assert score == pytest.approx(everywhere.scores[everywhere.items == item].item(), abs=1e-6)


def test_a_shortlist_is_of_one_model() -> None:
    shortlist = Shortlist([10], VOCABULARY)

    assert as_shortlist(shortlist, VOCABULARY) is shortlist
    assert as_shortlist(None, VOCABULARY) is None
    with pytest.raises(DataError, match=r"made for another model.*make it again"):
        as_shortlist(shortlist, VOCABULARY.extended([60]))
