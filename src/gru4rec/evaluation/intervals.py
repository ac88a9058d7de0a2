"""Metrics with how sure they are, of one model and of two on the same targets, as tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation.lists import Lists
from gru4rec.evaluation.metrics import (
    DEFAULT,
    METRICS,
    CatalogueMetric,
    as_cutoffs,
    check_metrics,
    long_enough,
    worth_of,
)
from gru4rec.frames.ids import Ids

_PAIR = ("recall", "mrr")

_SIGNS = 1 << 20  # exchanges of sessions in memory at once

Floats = npt.NDArray[np.float64]
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
    lists: Lists | None = None,
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
        lists: Of the targets, where a metric needs them: `RankedEvents.lists`.

    Returns:
        A row a cutoff: `k`, and of each metric value and bounds, such as `mrr`,
        `mrr_low`, `mrr_high`. Where there is one session only, an interval has no width and says
        nothing; the bounds of a `CatalogueMetric` are NaN.

    Raises:
        ConfigError: `cutoff`, `level`, `n_resamples` or `metrics` is not valid.
        DataError: There are no targets, or not as many sessions as ranks; or lists are missing.
    """
    cutoffs, names = as_cutoffs(cutoff, "measure"), check_metrics(metrics, "measure")
    _check(level, n_resamples, sessions, ranks)
    worth = worth_of(names, cutoffs, np.asarray(ranks, dtype=np.float64), lists)
    sums = _sums_by_session(sessions, worth)
    low, high = _bootstrap(sums, level, n_resamples, np.random.default_rng(seed))
    means = [float(of.mean()) for of in worth.values()]
    found = {
        "": dict(zip(worth, means, strict=True)) | _of_catalogue(names, cutoffs, lists),
        "_low": dict(zip(worth, low, strict=True)),
        "_high": dict(zip(worth, high, strict=True)),
    }
    return _tabulate(cutoffs, names, found)


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
    lists: Lists | pd.DataFrame | None = None,
    other_lists: Lists | pd.DataFrame | None = None,
    n_exchanges: int | None = None,
) -> pd.DataFrame:
    """Compares two models on the same targets, session by session.

    Intervals are those of `measure` for the difference of the metrics, p-values those of a
    permutation test (Smucker et al., CIKM 2007): if both models were equally good, each
    session might as well have had its two results exchanged. p is the share of such exchanges,
    1/2 for each session, with a difference at least as large, this one included; it is never below
    1 / (n_exchanges + 1). Each p is that of a single question; `holm` corrects those of several.

    Args:
        sessions: Session of each target, shape (n,).
        ranks: Rank of each target by the model, shape (n,).
        other: Its rank by the other model.
        cutoff: The k's of the metrics.
        level: Share of such intervals that hold the true value, in (0, 1).
        n_resamples: Draws of sessions.
        seed: Fixes both.
        metrics: Which ones: names in `METRICS`; a `CatalogueMetric` is left out.
        lists: Of the model, where a metric needs them: `RankedEvents.lists`, or `worth_of_lists`.
        other_lists: Of the other model, likewise.
        n_exchanges: None: as many as draws.

    Returns:
        A row a cutoff: `k`, and of each metric how far the model is ahead, with
        bounds, and p, such as `mrr_ahead`, `mrr_ahead_low`, `mrr_ahead_high`, `mrr_p`.

    Raises:
        ConfigError: `cutoff`, `level`, `n_resamples`, `n_exchanges` or `metrics` is not valid.
        DataError: There are no targets, or not as many sessions and ranks of the other; or lists
            are missing.
    """
    cutoffs, names = as_cutoffs(cutoff, "compare"), check_metrics(metrics, "compare")
    _check(level, n_resamples, sessions, ranks)
    _check(level, n_resamples, sessions, other)
    n_exchanges = n_resamples if n_exchanges is None else n_exchanges
    if n_exchanges < 1:
        raise ConfigError(f"n_exchanges is {n_exchanges!r}; at least one is needed")
    names = [name for name in names if not isinstance(METRICS[name], CatalogueMetric)]
    worth, theirs = (
        worth_of(names, cutoffs, np.asarray(of, dtype=np.float64), its_lists)
        for of, its_lists in ((ranks, lists), (other, other_lists))
    )
    sums = _sums_by_session(sessions, worth)
    sums[:, 1:] -= _sums_by_session(sessions, theirs)[:, 1:]
    rng = np.random.default_rng(seed)
    low, high = _bootstrap(sums, level, n_resamples, rng)
    ahead = sums[:, 1:].sum(axis=0) / sums[:, 0].sum()
    p = _test(sums[:, 1:], n_exchanges, rng)
    columns = {"_ahead": ahead, "_ahead_low": low, "_ahead_high": high, "_p": p}
    found = {what: dict(zip(worth, of, strict=True)) for what, of in columns.items()}
    return _tabulate(cutoffs, names, found)


def _test(sums: Floats, n_exchanges: int, rng: np.random.Generator) -> Floats:
    """P of the sum of each column (sessions, m), by exchanges of rows' signs; shape (m,)."""
    n, total = len(sums), sums.sum(axis=0)
    # sums in another order may differ in their last bits
    enough = np.abs(total) * (1 - 1e-9)
    n_as_large = np.ones(sums.shape[1])
    at_once = max(1, _SIGNS // n)
    for first in range(0, n_exchanges, at_once):
        drawn = rng.integers(256, size=(min(at_once, n_exchanges - first), -(-n // 8)), dtype="u1")
        stays = np.unpackbits(drawn, axis=1, count=n).astype(np.float64)
        # those that stay less those that are exchanged
        n_as_large += (np.abs(2 * (stays @ sums) - total) >= enough).sum(axis=0)
    return n_as_large / (n_exchanges + 1)


def holm(p: npt.ArrayLike) -> Floats:
    """Corrects p-values of several questions (Holm, Scand. J. Statist. 1979).

    Where the corrected ones are compared with α, the probability that any finding at all is false
    is at most α, however the questions depend on each other. Of m questions the j-th smallest p
    (from 1) becomes (m − j + 1) p, at least that before it and at most 1.

    Args:
        p: Of each question; NaN asks none.

    Returns:
        Of the same shape, NaN where p is.

    >>> holm([0.01, 0.04, 0.03])
    array([0.03, 0.06, 0.06])
    """
    given = np.asarray(p, dtype=np.float64)
    corrected = np.full(given.shape, np.nan)
    asked = given[~np.isnan(given)]
    order = np.argsort(asked)
    grown = np.maximum.accumulate(asked[order] * np.arange(len(asked), 0, -1)).clip(max=1.0)
    found = np.empty(len(asked))
    found[order] = grown
    corrected[~np.isnan(given)] = found
    return corrected


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
    sums: Floats, level: float, n_resamples: int, rng: np.random.Generator
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


def _sums_by_session(sessions: Sessions, worth: Mapping[str, Floats]) -> Floats:
    """Targets, and what they are worth by each metric and cutoff; (sessions, 1 + metrics · k's)."""
    numbers = pd.factorize(pd.Series(sessions))[0]
    of_targets = [np.ones(len(numbers)), *worth.values()]
    return np.stack([np.bincount(numbers, weights=w) for w in of_targets], axis=1)


def _of_catalogue(names: list[str], cutoffs: list[int], lists: Lists | None) -> dict[str, float]:
    """Values of each `CatalogueMetric` among the names, by name and cutoff."""
    return {
        f"{name}@{k}": metric.function(long_enough(lists, name, k).shown(k))
        for name in names
        if isinstance(metric := METRICS[name], CatalogueMetric)
        for k in cutoffs
    }


def _tabulate(
    cutoffs: list[int], names: list[str], found: Mapping[str, Mapping[str, float]]
) -> pd.DataFrame:
    """A row a cutoff; a column for each metric and thing that was found, by metric and cutoff."""
    table = pd.DataFrame({"k": cutoffs})
    for name in names:
        for what, values in found.items():
            table[f"{name}{what}"] = [values.get(f"{name}@{k}", np.nan) for k in cutoffs]
    return table


def _rows(table: pd.DataFrame, *columns: str) -> Any:
    return zip(*(table[name].tolist() for name in columns), strict=True)
