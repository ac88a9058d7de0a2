import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from gru4rec.errors import DataError
from gru4rec.evaluation import METRICS, Lists, compare, lists_needed, measure, worth_of_lists
from gru4rec.evaluation.lists import gini

NAMES = ["item_coverage", "gini", "popularity", "novelty", "overlap"]
# of five items; the second list is short, the third is empty
LISTS = Lists(
    np.array([[0, 3, 1], [2, -1, -1], [-1, -1, -1], [0, 1, 2]], dtype=np.int32),
    np.array([8, 4, 2, 1, 1]),
)


def measured(k: int) -> dict[str, float]:
    [row] = measure([1, 1, 2, 2], np.ones(4), k, metrics=NAMES, lists=LISTS).to_dict("records")
    return row


def test_what_is_shown_of_the_catalogue() -> None:
    # at 1: item 0 twice, item 2 once; at 3: 2, 2, 2, 1 and 0 times
    assert measured(1)["item_coverage"] == 2 / 5
    assert measured(3)["item_coverage"] == 4 / 5
    assert measured(1)["gini"] == pytest.approx((2 * 1 + 4 * 2) / (5 * 3))
    assert measured(3)["gini"] == pytest.approx((-2 * 1 + (0 + 2 + 4) * 2) / (5 * 7))
    assert math.isnan(measured(3)["gini_low"])
    assert math.isnan(measured(3)["item_coverage_high"])


def test_how_popular_the_lists_are() -> None:
    # places by popularity: 5, 4, 3, and 1.5 for both of the rarest
    first, second, last = (5 + 1.5 + 4) / 3 / 5, 3 / 5, (5 + 4 + 3) / 3 / 5
    assert measured(3)["popularity"] == pytest.approx((first + second + 0 + last) / 4)
    # shares of the 16 events: 1/2, 1/4, 1/8, 1/16, 1/16
    assert measured(3)["novelty"] == pytest.approx(((1 + 4 + 2) / 3 + 3 + 0 + (1 + 2 + 3) / 3) / 4)
    assert measured(1)["novelty"] == pytest.approx((1 + 3 + 0 + 1) / 4)
    # the three most popular are 0, 1 and 2
    assert measured(3)["overlap"] == pytest.approx((2 / 3 + 1 + 0 + 1) / 4)
    assert measured(1)["overlap"] == pytest.approx((1 + 0 + 0 + 1) / 4)


@given(seed=st.integers(0, 2**32 - 1), n_items=st.integers(1, 30), k=st.integers(1, 12))
def test_all_equal_their_definitions_on_random_lists(seed: int, n_items: int, k: int) -> None:
    """The formulas of docs/metrics.md, one list and one item at a time."""
    rng = np.random.default_rng(seed)
    lists = [rng.permutation(n_items)[: rng.integers(1, 15)] for _ in range(6)]
    counts = rng.integers(1, 9, n_items)
    table = np.full((6, 15), -1, dtype=np.int32)
    for row, items in zip(table, lists, strict=True):
        row[: len(items)] = items
    best = [items[:k].tolist() for items in lists]
    shown = np.bincount(np.concatenate(best), minlength=n_items)
    popular = sorted(range(n_items), key=lambda item: (-counts[item], item))[:k]
    ranks = rankdata(counts)

    def mean(worth: Any) -> float:
        return float(np.mean([np.mean([worth(item) for item in items]) for items in best]))

    row = measure(np.arange(6), np.ones(6), k, metrics=NAMES, lists=Lists(table, counts)).iloc[0]

    assert row["item_coverage"] == pytest.approx(len(set().union(*best)) / n_items)
    # half the relative mean difference (Gini 1912)
    differences = np.abs(shown[:, None] - shown[None, :]).mean()
    assert row["gini"] == pytest.approx(differences / (2 * shown.mean()))
    assert row["popularity"] == pytest.approx(mean(lambda item: ranks[item] / n_items))
    assert row["novelty"] == pytest.approx(
        mean(lambda item: -math.log2(counts[item] / counts.sum()))
    )
    assert row["overlap"] == pytest.approx(mean(lambda item: item in popular))


def test_all_equal_what_libraries_say() -> None:
    """RecTools 0.19.0 (ranks, coverage, novelty, overlap), LensKit 2025.8.1 (Gini, popularity)."""
    rng, weights = np.random.default_rng(0), np.arange(120, 0, -1) ** 2
    p = weights / weights.sum()
    items = np.stack([rng.choice(120, 20, replace=False, p=p) for _ in range(500)])
    lists = Lists(items.astype(np.int32), rng.integers(1, 50, 120))
    is_hit = items == np.random.default_rng(1).integers(120, size=(500, 1))
    ranks = np.where(is_hit.any(axis=1), 1.0 + is_hit.argmax(axis=1), np.inf)
    names = ["recall", "mrr", "ndcg", *NAMES]

    table = measure(np.arange(500), ranks, [5, 20], metrics=names, lists=lists)

    at_5 = [0.036, 0.0174666667, 0.0220402617, 0.925, 0.5020133333]
    at_5 += [0.5225433333, 7.1852904903, 0.056]
    at_20 = [0.158, 0.0286706352, 0.0558952983, 0.975, 0.47391]
    at_20 += [0.5192154167, 7.2153873273, 0.1973]
    for row, expected in zip(table[names].to_numpy(), (at_5, at_20), strict=True):
        assert row.tolist() == pytest.approx(expected, rel=1e-8)


def test_the_gini_coefficient_at_its_ends() -> None:
    assert gini(np.full(4, 3)) == 0
    assert gini(np.array([0, 0, 0, 7])) == 3 / 4
    assert gini(np.zeros(4, dtype=np.int64)) == 0


def test_an_item_without_events_is_as_new_as_one_with_one() -> None:
    lists = Lists(np.array([[0]], dtype=np.int32), np.array([0, 3]))
    row = measure([1], [1.0], 1, metrics=["novelty"], lists=lists).iloc[0]
    assert row["novelty"] == math.log2(4)


def test_means_have_intervals_and_tests_from_lists_or_from_what_they_are_like() -> None:
    rng = np.random.default_rng(0)
    sessions, ranks = np.repeat(np.arange(30), 3), np.ones(90)
    ours, theirs = (
        Lists(rng.integers(n, size=(90, 5)).astype(np.int32), np.arange(1, 21)) for n in (20, 10)
    )
    table = measure(sessions, ranks, [1, 5], metrics=NAMES, lists=ours)
    assert (table["novelty_low"] < table["novelty"]).all()
    assert (table["novelty"] < table["novelty_high"]).all()

    found = compare(sessions, ranks, ranks, [1, 5], metrics=NAMES, lists=ours, other_lists=theirs)
    kept = [worth_of_lists(lists, NAMES, [1, 5]) for lists in (ours, theirs)]
    again = compare(
        sessions, ranks, ranks, [1, 5], metrics=NAMES, lists=kept[0], other_lists=kept[1]
    )

    assert found.equals(again)
    assert "gini_ahead" not in found
    other = measure(sessions, ranks, [1, 5], metrics=NAMES, lists=theirs)
    assert found["novelty_ahead"].tolist() == pytest.approx(
        (table["novelty"] - other["novelty"]).tolist()
    )
    assert found["popularity_p"].tolist() == [1 / 1001] * 2


def test_missing_lists_are_told() -> None:
    short = Lists(np.zeros((2, 3), dtype=np.int32), np.ones(1, dtype=np.int64))
    for name in NAMES:
        with pytest.raises(DataError, match=rf"{name}@5 needs the 5 best.*missing.*top=5"):
            measure([1, 2], [1.0, 1.0], [1, 5][1:], metrics=[name])
        with pytest.raises(DataError, match=rf"{name}@5 needs the 5 best.*have 3"):
            measure([1, 2], [1.0, 1.0], 5, metrics=[name], lists=short)


def test_what_was_kept_of_lists_has_the_metric_or_it_is_told() -> None:
    kept = pd.DataFrame({"novelty@5": [1.0, 2.0]})
    with pytest.raises(DataError, match=r"novelty@20 is not among .*\(novelty@5\)"):
        compare([1, 2], [1, 1], [1, 1], 20, metrics=["novelty"], lists=kept, other_lists=kept)


def test_lists_are_made_only_where_a_metric_needs_them() -> None:
    assert lists_needed(["recall", "ndcg"], [5, 20]) == 0
    assert [lists_needed(["recall", name], [20, 5]) for name in NAMES] == [20] * 5
    assert set(METRICS) == {"recall", "mrr", "ndcg", *NAMES}
