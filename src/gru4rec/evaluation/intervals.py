"""How sure recall and MRR are: confidence intervals by a bootstrap over sessions."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.data.vocabulary import Ids
from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation.metrics import as_cutoffs

Interval = tuple[float, float]


class Difference(NamedTuple):
    """How far one model is ahead of another.

    Attributes:
        value: Its metric minus the other's.
        low: Lower bound of the interval.
        high: Upper bound.
        p: Of the hypothesis that it makes no difference which is which.
    """

    value: float
    low: float
    high: float
    p: float


def confidence_intervals(
    sessions: "Ids | pd.Series[Any]",
    ranks: "npt.NDArray[np.float64] | pd.Series[float]",
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[int, Interval], dict[int, Interval]]:
    """Percentile intervals of recall and MRR (Efron & Tibshirani 1993, chapter 13).

    The targets of one session depend on each other, so whole sessions are drawn with replacement,
    as many as there are. Recall and MRR of a draw are sums over its targets divided by their
    number, which differs from draw to draw. Memory grows with the number of sessions only.

    Args:
        sessions: Session of each target, shape (n,).
        ranks: Rank of each target, shape (n,).
        cutoff: The k's of recall@k and MRR@k.
        level: Share of such intervals that hold the true value, in (0, 1).
        n_resamples: How many times the sessions are drawn.
        seed: Fixes the draws.

    Returns:
        Intervals of recall and of MRR, dictionaries of (low, high) keyed by cutoff. Where there is
        one session only, an interval has no width and says nothing.

    Raises:
        ConfigError: `cutoff`, `level` or `n_resamples` is not valid.
        DataError: There are no targets, or not as many sessions as ranks.
    """
    cutoffs = as_cutoffs(cutoff, "confidence_intervals")
    _check(level, n_resamples, sessions, ranks)
    sums = _sums_by_session(sessions, np.asarray(ranks, dtype=np.float64), cutoffs)
    low, high = _bootstrap(sums, level, n_resamples, np.random.default_rng(seed))
    intervals = list(zip(low, high, strict=True))
    return (
        dict(zip(cutoffs, intervals[: len(cutoffs)], strict=True)),
        dict(zip(cutoffs, intervals[len(cutoffs) :], strict=True)),
    )


def paired_differences(
    sessions: "Ids | pd.Series[Any]",
    ranks: "npt.NDArray[np.float64] | pd.Series[float]",
    other: "npt.NDArray[np.float64] | pd.Series[float]",
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[int, Difference], dict[int, Difference]]:
    """Compares two models on the same targets, session by session.

    Intervals are those of `confidence_intervals` for the difference of the metrics, p-values those
    of a permutation test (Smucker et al., CIKM 2007): if both models were equally good, each
    session might as well have had its two results exchanged. p is the share of such exchanges,
    1/2 for each session, with a difference at least as large, this one included; it is never below
    1 / (n_resamples + 1).

    Args:
        sessions: Session of each target, shape (n,).
        ranks: Rank of each target by the model, shape (n,).
        other: Its rank by the other model.
        cutoff: The k's of recall@k and MRR@k.
        level: Share of such intervals that hold the true value, in (0, 1).
        n_resamples: Draws of sessions, and as many exchanges.
        seed: Fixes both.

    Returns:
        Differences of recall and of MRR, dictionaries keyed by cutoff.

    Raises:
        ConfigError: `cutoff`, `level` or `n_resamples` is not valid.
        DataError: There are no targets, or not as many sessions and ranks of the other.
    """
    cutoffs = as_cutoffs(cutoff, "paired_differences")
    _check(level, n_resamples, sessions, ranks)
    _check(level, n_resamples, sessions, other)
    sums, theirs = (
        _sums_by_session(sessions, np.asarray(of, dtype=np.float64), cutoffs)
        for of in (ranks, other)
    )
    sums[:, 1:] -= theirs[:, 1:]
    rng = np.random.default_rng(seed)
    low, high = _bootstrap(sums, level, n_resamples, rng)
    totals = sums[:, 1:].sum(axis=0)
    # sums in another order may differ in their last bits
    enough = np.abs(totals) * (1 - 1e-9)
    n_as_large = np.ones(len(totals))
    for _ in range(n_resamples):
        signs = rng.integers(2, size=len(sums)) * 2.0 - 1.0
        n_as_large += np.abs(signs @ sums[:, 1:]) >= enough
    found = [
        Difference(*map(float, of))
        for of in zip(
            totals / sums[:, 0].sum(), low, high, n_as_large / (n_resamples + 1), strict=True
        )
    ]
    n = len(cutoffs)
    return dict(zip(cutoffs, found[:n], strict=True)), dict(zip(cutoffs, found[n:], strict=True))


def _check(level: float, n_resamples: int, sessions: "Ids | pd.Series[Any]", ranks: Any) -> None:
    if not 0 < level < 1:
        raise ConfigError(f"level is {level!r}; a share between 0 and 1, such as 0.95, is expected")
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples!r}; at least one is needed")
    if len(sessions) != len(ranks) or len(ranks) == 0:
        raise DataError(
            f"{len(sessions)} sessions and {len(ranks)} ranks were given; an interval needs one of "
            "each for every target, and a target at least"
        )


def _bootstrap(
    sums: npt.NDArray[np.float64], level: float, n_resamples: int, rng: np.random.Generator
) -> tuple[list[float], list[float]]:
    """Bounds of each sum divided by the first one, over draws of rows with replacement."""
    n = len(sums)
    drawn = np.empty((n_resamples, sums.shape[1]))
    for totals in drawn:
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        np.matmul(times.astype(np.float64), sums, out=totals)
    values = drawn[:, 1:] / drawn[:, :1]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    return low, high


def _sums_by_session(
    sessions: "Ids | pd.Series[Any]", ranks: npt.NDArray[np.float64], cutoffs: list[int]
) -> npt.NDArray[np.float64]:
    """Targets, hits and reciprocal ranks at each cutoff; shape (sessions, 1 + 2 cutoffs)."""
    numbers = pd.factorize(pd.Series(sessions))[0]
    within = [ranks <= k for k in cutoffs]
    of_targets = [np.ones(len(ranks)), *within, *(np.where(hit, 1 / ranks, 0.0) for hit in within)]
    return np.stack([np.bincount(numbers, weights=w) for w in of_targets], axis=1)
