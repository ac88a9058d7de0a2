import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation import METRICS, Metric, compare, holm, measure, summarise
from gru4rec.evaluation.intervals import confidence_intervals, paired_differences


def draw_log(n_sessions: int, seed: int = 0) -> tuple[Any, Any]:
    """Sessions of one to six targets; some sessions are easier than others."""
    rng = np.random.default_rng(seed)
    sessions = np.repeat(np.arange(n_sessions), rng.integers(1, 7, n_sessions))
    ease = rng.uniform(0.05, 0.6, n_sessions)[sessions]
    return sessions, rng.geometric(ease).astype(float)


def test_equals_a_bootstrap_that_copies_sessions() -> None:
    sessions, ranks = draw_log(40)

    recall, mrr = confidence_intervals(sessions, ranks, [1, 3], n_resamples=200, seed=5)

    rng = np.random.default_rng(5)
    by_session = [ranks[sessions == number] for number in range(40)]
    drawn = [
        summarise(np.concatenate([by_session[s] for s in rng.integers(40, size=40)]), [1, 3])
        for _ in range(200)
    ]
    for k in (1, 3):
        for measured, which in ((recall, 0), (mrr, 1)):
            expected = np.quantile([values[which][k] for values in drawn], [0.025, 0.975])
            assert measured[k] == pytest.approx(expected.tolist())


def test_sessions_of_one_target_give_the_interval_of_a_share() -> None:
    n = 4000
    ranks = np.where(np.arange(n) < n / 4, 1.0, 9.0)

    recall, mrr = confidence_intervals(np.arange(n), ranks, [5])

    half = 1.96 * math.sqrt(1 / 4 * 3 / 4 / n)
    # the bounds themselves scatter by about 4 % of the half width with 1000 draws
    assert recall[5] == pytest.approx((1 / 4 - half, 1 / 4 + half), abs=0.15 * half)
    assert mrr == recall


def test_targets_of_a_session_count_as_one_observation() -> None:
    sessions, ranks = np.arange(100), draw_log(100)[1][:100]

    alone = confidence_intervals(sessions, ranks)

    together = confidence_intervals(np.repeat(sessions, 7), np.repeat(ranks, 7))
    for measured, expected in zip(together, alone, strict=True):
        assert measured[20] == pytest.approx(expected[20])


def test_sessions_of_unequal_length_have_the_width_of_a_ratio_of_sums() -> None:
    sessions, ranks = draw_log(3000)

    recall, mrr = confidence_intervals(sessions, ranks, [2])

    for interval, gains in ((recall[2], ranks <= 2), (mrr[2], (ranks <= 2) / ranks)):
        ratio = gains.mean()
        # the linearised variance of a ratio (Cochran 1977, section 2.11)
        residuals = np.bincount(sessions, gains - ratio)
        half = 1.96 * math.sqrt((residuals**2).sum()) / len(ranks)
        assert interval == pytest.approx((ratio - half, ratio + half), abs=0.15 * half)


def test_a_higher_level_is_wider_and_a_seed_repeats() -> None:
    sessions, ranks = draw_log(200)

    (low, high), (wide_low, wide_high), again, other = (
        confidence_intervals(sessions, ranks, 1, **options)[0][1]
        for options in ({}, {"level": 0.99}, {"seed": 0}, {"seed": 1})
    )

    assert wide_low < low < high < wide_high
    assert again == (low, high) != other


def test_order_and_kind_of_sessions_do_not_matter() -> None:
    sessions, ranks = draw_log(50)
    names = pd.Series(sessions).map("s{}".format)

    assert confidence_intervals(names, pd.Series(ranks)) == confidence_intervals(sessions, ranks)


def test_where_all_are_hits_there_is_no_width() -> None:
    assert confidence_intervals([1, 1, 2], np.ones(3)) == ({20: (1, 1)}, {20: (1, 1)})
    assert confidence_intervals([1], np.full(1, 30.0)) == ({20: (0, 0)}, {20: (0, 0)})


def test_no_global_random_state_is_used() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002

    confidence_intervals([1, 2], np.ones(2))

    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"level": 95}, ConfigError, "level is 95; a share between 0 and 1"),
        ({"n_resamples": 0}, ConfigError, "n_resamples is 0"),
        ({"cutoff": [0]}, ConfigError, "confidence_intervals has 1 mistake"),
        ({"ranks": np.ones(3)}, DataError, "2 sessions and 3 ranks"),
        ({"sessions": [], "ranks": np.ones(0)}, DataError, "0 sessions and 0 ranks"),
    ],
)
def test_what_makes_no_sense_is_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        confidence_intervals(**{"sessions": [1, 2], "ranks": np.ones(2), **options})


def test_at_least_one_exchange_is_needed() -> None:
    with pytest.raises(ConfigError, match="n_exchanges is -1"):
        compare([1, 2], np.ones(2), np.ones(2), n_exchanges=-1)


def test_paired_differences_equal_all_exchanges_of_sessions() -> None:
    sessions, ranks, other = [1, 1, 2, 3], [1.0, 2.0, 1.0, 9.0], [9.0, 1.0, 9.0, 1.0]

    (recall, _) = paired_differences(sessions, ranks, other, 1, n_resamples=20_000)

    # hits by session: 1 − 1, 1 − 0, 0 − 1; no exchange gives a smaller difference than 0
    assert recall[1].value == 0
    assert recall[1].p == 1
    (recall, _) = paired_differences(
        sessions, [1.0, 1, 1, 1], [9.0, 9, 9, 9], 1, n_resamples=20_000
    )
    assert recall[1].value == 1
    # of the 8 exchanges, none at all and that of all three are as large
    assert recall[1].p == pytest.approx(2 / 8, abs=0.02)


def test_paired_differences_of_equal_models() -> None:
    sessions, ranks = draw_log(30)

    for by_cutoff in paired_differences(sessions, ranks, ranks, [1, 3]):
        assert all(tuple(found) == (0, 0, 0, 1) for found in by_cutoff.values())


def test_paired_intervals_are_those_of_the_difference() -> None:
    sessions, ranks = draw_log(30)
    never = np.full(len(ranks), 99.0)

    found = paired_differences(sessions, ranks, never, 3, seed=4)
    alone = confidence_intervals(sessions, ranks, 3, seed=4)

    for by_cutoff, interval in zip(found, alone, strict=True):
        assert by_cutoff[3][1:3] == pytest.approx(interval[3])
    with pytest.raises(DataError, match="30 sessions and 29 ranks"):
        paired_differences(np.arange(30), np.ones(30), np.ones(29))


def test_tables_hold_what_the_pairs_hold() -> None:
    sessions, ranks = draw_log(30)
    other = draw_log(30, seed=1)[1][: len(ranks)]
    other = np.resize(other, len(ranks))

    measured, compared = measure(sessions, ranks, [1, 3]), compare(sessions, ranks, other, [1, 3])

    assert measured["k"].tolist() == compared["k"].tolist() == [1, 3]
    values = summarise(ranks, [1, 3])
    bounds = confidence_intervals(sessions, ranks, [1, 3])
    ahead = paired_differences(sessions, ranks, other, [1, 3])
    for place, name in enumerate(("recall", "mrr")):
        own = [name, f"{name}_low", f"{name}_high"]
        expected = [[values[place][k], *bounds[place][k]] for k in (1, 3)]
        assert measured[own].to_numpy().tolist() == expected
        own = [f"{name}_ahead", f"{name}_ahead_low", f"{name}_ahead_high", f"{name}_p"]
        assert compared[own].to_numpy().tolist() == [list(ahead[place][k]) for k in (1, 3)]


@pytest.mark.parametrize("function", [measure, lambda *a, **k: compare(*a, [1.0], **k)])
def test_what_is_no_metric_is_refused(function: Any) -> None:
    with pytest.raises(ConfigError, match=r"names 'ndgc', which is no metric; did you mean 'ndcg'"):
        function([1], [1.0], metrics=["recall", "ndgc"])


def test_a_new_entry_is_measured_and_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, ranks = draw_log(30)
    before = confidence_intervals(sessions, ranks, 3), paired_differences(sessions, ranks, ranks, 3)

    # three times recall, so that all that is known of it is known of this one
    thrice = Metric(lambda ranks, k: 3.0 * (ranks <= k), "thrice")
    monkeypatch.setitem(METRICS, "thrice", thrice)
    never = np.full(len(ranks), 99.0)
    names = ["recall", "thrice"]
    table = pd.concat(
        [
            measure(sessions, ranks, 3, metrics=names),
            compare(sessions, ranks, never, 3, metrics=names),
        ],
        axis=1,
    )

    for what in ("", "_low", "_high", "_ahead", "_ahead_low", "_ahead_high"):
        assert table[f"thrice{what}"].iloc[0] == pytest.approx(3 * table[f"recall{what}"].iloc[0])
    assert table["thrice_p"].iloc[0] == table["recall_p"].iloc[0] == 1 / 1001
    assert table.columns[:5].tolist() == ["k", "recall", "recall_low", "recall_high", "thrice"]
    after = confidence_intervals(sessions, ranks, 3), paired_differences(sessions, ranks, ranks, 3)
    assert after == before


def test_holm_grows_the_smallest_most() -> None:
    # times 4, 3, 2 and 1 in ascending order, and never less than the one before
    p = [[0.04, 0.01], [0.03, np.nan], [0.5, np.nan]]

    expected = [[3 * 0.03, 4 * 0.01], [3 * 0.03, np.nan], [0.5, np.nan]]

    np.testing.assert_allclose(holm(p), expected)
    assert holm([0.5, 0.9]).tolist() == [1, 1]
    assert holm([]).tolist() == []


def test_more_exchanges_tell_smaller_p_and_the_same_intervals() -> None:
    sessions, ranks = draw_log(30)
    never = np.full(len(ranks), 99.0)

    few, many = (compare(sessions, ranks, never, 3, n_exchanges=n) for n in (None, 5000))

    assert (few["mrr_p"].iloc[0], many["mrr_p"].iloc[0]) == (1 / 1001, 1 / 5001)
    assert few["mrr_ahead_low"].tolist() == many["mrr_ahead_low"].tolist()


def test_exchanges_in_parts_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions, ranks = draw_log(31)
    other = np.resize(draw_log(31, seed=1)[1], len(ranks))
    expected = compare(sessions, ranks, other, 3)

    monkeypatch.setattr("gru4rec.evaluation.intervals._SIGNS", 100)

    assert compare(sessions, ranks, other, 3).equals(expected)
