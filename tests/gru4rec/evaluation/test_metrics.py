import math
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from gru4rec.evaluation import METRICS, mean_metrics, mrr_at, of_ranks, recall_at, summarise
from gru4rec.evaluation.metrics import worth_of


def test_a_rank_between_two_counts_from_the_next_cutoff_on() -> None:
    recall, mrr = summarise(np.array([1.5, 4.0]), [1, 2])

    assert recall == {1: 0, 2: 1 / 2}
    assert mrr == {1: 0, 2: pytest.approx(1 / 2 * 2 / 3)}


@pytest.mark.parametrize("cutoff", [3, [3], (3,), np.array([3])])
def test_cutoffs_are_one_or_several_numbers(cutoff: Any) -> None:
    recall, mrr = summarise(np.array([2.0]), cutoff)

    assert recall == {3: 1}
    assert mrr == {3: 1 / 2}


@pytest.mark.parametrize("name", of_ranks(METRICS))
def test_every_metric_of_ranks_says_what_each_target_is_worth(name: str) -> None:
    ranks = np.array([1.0, 1.5, 2.0, 3.0, 20.0, 20.5, 21.0, 1e6])

    for k in (1, 2, 20, 2_000_000):
        worth = worth_of([name], [k], ranks)[f"{name}@{k}"]

        assert worth.shape == ranks.shape
        assert worth.dtype == np.float64
        assert (np.diff(worth) <= 0).all()  # a better rank is never worth less
        assert worth[0] > 0
        assert (worth[ranks > k] == 0).all()
        alone = [worth_of([name], [k], ranks[i : i + 1]) for i in range(len(ranks))]
        assert worth.tolist() == [of[f"{name}@{k}"][0] for of in alone]


def test_metrics_are_the_means_of_their_entries() -> None:
    ranks = np.array([1.0, 4.0, 21.0, 3.0])

    values = mean_metrics(ranks, [3, 20])

    assert values["recall"] == {k: recall_at(ranks, k) for k in (3, 20)} == {3: 1 / 2, 20: 3 / 4}
    assert values["mrr"] == {k: mrr_at(ranks, k) for k in (3, 20)}
    assert values["ndcg"] == {
        3: pytest.approx(1 / 4 * (1 + 1 / math.log2(4))),
        20: pytest.approx(1 / 4 * (1 + 1 / math.log2(5) + 1 / math.log2(4))),
    }
    assert values["mrr"][20] == pytest.approx(1 / 4 * (1 + 1 / 4 + 1 / 3))


def test_ndcg_is_that_of_scikit_learn() -> None:
    scores = np.random.default_rng(0).permuted(np.tile(np.arange(40.0), (200, 1)), axis=1)
    targets = np.eye(40)[np.random.default_rng(1).integers(40, size=200)]
    ranks = (scores >= scores[targets == 1][:, None]).sum(axis=1).astype(float)

    for k in (1, 5, 20, 40):
        assert mean_metrics(ranks, [k])["ndcg"][k] == pytest.approx(
            ndcg_score(targets, scores, k=k)
        )


def test_means_are_of_metrics_of_ranks() -> None:
    means = mean_metrics(np.array([1.0, 4.0]), [2], iter(["recall", "gini", "mrr"]))
    assert means == {"recall": {2: 1 / 2}, "mrr": {2: 1 / 2}}
