"""Metrics with how sure they are, of one model and of two on the same targets, as tables."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation.metrics import (
    DEFAULT,
    METRICS,
    as_cutoffs,
    check_metrics,
    mean_metrics,
)
from gru4rec.frames.ids import Ids

_PAIR = ("recall", "mrr")

Interval = tuple[float, float]
Sessions: TypeAlias = "Ids | pd.Series[Any]"
Ranks: TypeAlias = "npt.NDArray[np.float64] | pd.Series[float]"


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


def measure(
    sessions: Sessions,
    ranks: Ranks,
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    metrics: Iterable[str] = DEFAULT,
) -> pd.DataFrame:
    """Measures metrics, with percentile intervals (Efron & Tibshirani 1993, chapter 13).

    The targets of one session depend on each other, so whole sessions are drawn with replacement,
    as many as there are. A metric of a draw is a sum over its targets divided by their number,
    which differs from draw to draw. Memory grows with the number of sessions only.

    Args:
        sessions: Session of each target, shape (n,).
        ranks: Rank of each target, shape (n,).
        cutoff: The k's of the metrics.
        level: Share of such intervals that hold the true value, in (0, 1).
        n_resamples: How many times the sessions are drawn.
        seed: Fixes the draws.
        metrics: Which ones: names in `METRICS`.

    Returns:
        A row a cutoff: `k`, and of each metric value and bounds, such as `mrr`,
        `mrr_low`, `mrr_high`. Where there is one session only, an interval has no width and says
        nothing.

    Raises:
        ConfigError: `cutoff`, `level`, `n_resamples` or `metrics` is not valid.
        DataError: There are no targets, or not as many sessions as ranks.
    """
    cutoffs, names = as_cutoffs(cutoff, "measure"), check_metrics(metrics, "measure")
    _check(level, n_resamples, sessions, ranks)
    ranks = np.asarray(ranks, dtype=np.float64)
    sums = _sums_by_session(sessions, ranks, cutoffs, names)
    low, high = _bootstrap(sums, level, n_resamples, np.random.default_rng(seed))
    means = [of[k] for of in mean_metrics(ranks, cutoffs, names).values() for k in cutoffs]
    return _tabulate(cutoffs, names, {"": means, "_low": low, "_high": high})


def confidence_intervals(
    sessions: Sessions,
    ranks: Ranks,
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[int, Interval], dict[int, Interval]]:
    """Returns the intervals that `measure` finds for recall and MRR.

    Arguments and errors are those of `measure`.

    Returns:
        Dictionaries of (low, high) keyed by cutoff.
    """
    cutoffs = as_cutoffs(cutoff, "confidence_intervals")
    table = measure(sessions, ranks, cutoffs, level, n_resamples, seed, _PAIR)
    recall, mrr = (
        {k: (low, high) for k, low, high in _rows(table, "k", f"{name}_low", f"{name}_high")}
        for name in _PAIR
    )
    return recall, mrr


def compare(
    sessions: Sessions,
    ranks: Ranks,
    other: Ranks,
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
    metrics: Iterable[str] = DEFAULT,
) -> pd.DataFrame:
    """Compares two models on the same targets, session by session.

    Intervals are those of `measure` for the difference of the metrics, p-values those of a
    permutation test (Smucker et al., CIKM 2007): if both models were equally good, each
    session might as well have had its two results exchanged. p is the share of such exchanges,
    1/2 for each session, with a difference at least as large, this one included; it is never below
    1 / (n_resamples + 1).

    Args:
        sessions: Session of each target, shape (n,).
        ranks: Rank of each target by the model, shape (n,).
        other: Its rank by the other model.
        cutoff: The k's of the metrics.
        level: Share of such intervals that hold the true value, in (0, 1).
        n_resamples: Draws of sessions, and as many exchanges.
        seed: Fixes both.
        metrics: Which ones: names in `METRICS`.

    Returns:
        A row a cutoff: `k`, and of each metric how far the model is ahead, with
        bounds, and p, such as `mrr_ahead`, `mrr_ahead_low`, `mrr_ahead_high`, `mrr_p`.

    Raises:
        ConfigError: `cutoff`, `level`, `n_resamples` or `metrics` is not valid.
        DataError: There are no targets, or not as many sessions and ranks of the other.
    """
    cutoffs, names = as_cutoffs(cutoff, "compare"), check_metrics(metrics, "compare")
    _check(level, n_resamples, sessions, ranks)
    _check(level, n_resamples, sessions, other)
    sums, theirs = (
        _sums_by_session(sessions, np.asarray(of, dtype=np.float64), cutoffs, names)
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
    ahead, p = totals / sums[:, 0].sum(), n_as_large / (n_resamples + 1)
    columns = {"_ahead": ahead, "_ahead_low": low, "_ahead_high": high, "_p": p}
    return _tabulate(cutoffs, names, columns)


def paired_differences(
    sessions: Sessions,
    ranks: Ranks,
    other: Ranks,
    cutoff: Sequence[int] | int = (20,),
    level: float = 0.95,
    n_resamples: int = 1000,
    seed: int = 0,
) -> tuple[dict[int, Difference], dict[int, Difference]]:
    """Returns the differences that `compare` finds for recall and MRR.

    Arguments and errors are those of `compare`.

    Returns:
        Dictionaries keyed by cutoff.
    """
    cutoffs = as_cutoffs(cutoff, "paired_differences")
    table = compare(sessions, ranks, other, cutoffs, level, n_resamples, seed, _PAIR)
    recall, mrr = (
        {
            k: Difference(*found)
            for k, *found in _rows(
                table, "k", f"{name}_ahead", f"{name}_ahead_low", f"{name}_ahead_high", f"{name}_p"
            )
        }
        for name in _PAIR
    )
    return recall, mrr


def _check(level: float, n_resamples: int, sessions: Sessions, ranks: Ranks) -> None:
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
    sessions: Sessions, ranks: npt.NDArray[np.float64], cutoffs: list[int], names: list[str]
) -> npt.NDArray[np.float64]:
    """Targets, and what they are worth by each metric and cutoff; (sessions, 1 + metrics · k's)."""
    numbers = pd.factorize(pd.Series(sessions))[0]
    worth = [METRICS[name].function(ranks, k) for name in names for k in cutoffs]
    of_targets = [np.ones(len(ranks)), *worth]
    return np.stack([np.bincount(numbers, weights=w) for w in of_targets], axis=1)


def _tabulate(cutoffs: list[int], names: list[str], columns: dict[str, Any]) -> pd.DataFrame:
    """A row a cutoff; columns have a value for each metric and cutoff, shape (metrics · k's,)."""
    table = pd.DataFrame({"k": cutoffs})
    for place, name in enumerate(names):
        own = slice(place * len(cutoffs), (place + 1) * len(cutoffs))
        for what, values in columns.items():
            table[f"{name}{what}"] = values[own]
    return table


def _rows(table: pd.DataFrame, *columns: str) -> Any:
    return zip(*(table[name].tolist() for name in columns), strict=True)
