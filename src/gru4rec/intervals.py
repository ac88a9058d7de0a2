"""How sure recall and MRR are: confidence intervals by a bootstrap over sessions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation import as_cutoffs
from gru4rec.vocabulary import Ids

Interval = tuple[float, float]


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
    if not 0 < level < 1:
        raise ConfigError(f"level is {level!r}; a share between 0 and 1, such as 0.95, is expected")
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples!r}; at least one is needed")
    if len(sessions) != len(ranks) or len(ranks) == 0:
        raise DataError(
            f"{len(sessions)} sessions and {len(ranks)} ranks were given; an interval needs one of "
            "each for every target, and a target at least"
        )
    sums = _sums_by_session(sessions, np.asarray(ranks, dtype=np.float64), cutoffs)
    rng = np.random.default_rng(seed)
    n = len(sums)
    drawn = np.empty((n_resamples, sums.shape[1]))
    for totals in drawn:
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        np.matmul(times.astype(np.float64), sums, out=totals)
    values = drawn[:, 1:] / drawn[:, :1]
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2], axis=0).tolist()
    intervals = list(zip(low, high, strict=True))
    return (
        dict(zip(cutoffs, intervals[: len(cutoffs)], strict=True)),
        dict(zip(cutoffs, intervals[len(cutoffs) :], strict=True)),
    )


def _sums_by_session(
    sessions: "Ids | pd.Series[Any]", ranks: npt.NDArray[np.float64], cutoffs: list[int]
) -> npt.NDArray[np.float64]:
    """Targets, hits and reciprocal ranks at each cutoff; shape (sessions, 1 + 2 cutoffs)."""
    numbers = pd.factorize(pd.Series(sessions))[0]
    within = [ranks <= k for k in cutoffs]
    of_targets = [np.ones(len(ranks)), *within, *(np.where(hit, 1 / ranks, 0.0) for hit in within)]
    return np.stack([np.bincount(numbers, weights=w) for w in of_targets], axis=1)
