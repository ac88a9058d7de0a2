"""Metrics of ranks. A new one is an entry in `METRICS`: results, figures and tests follow it."""

import difflib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gru4rec.config import METRIC, EvaluationConfig
from gru4rec.errors import ConfigError, shown

Floats = npt.NDArray[np.float64]
ByCutoff = dict[int, float]


def hits(ranks: Floats, k: int) -> Floats:
    """1 where rank ≤ k, else 0: their mean is recall@k."""
    return (ranks <= k).astype(np.float64)


def reciprocal_ranks(ranks: Floats, k: int) -> Floats:
    """1/rank where rank ≤ k, else 0: their mean is MRR@k."""
    return np.where(ranks <= k, 1 / ranks, 0.0)


def discounted_gains(ranks: Floats, k: int) -> Floats:
    """1/log₂(rank + 1) where rank ≤ k, else 0: their mean is NDCG@k, as a target is alone."""
    return np.where(ranks <= k, 1 / np.log2(ranks + 1), 0.0)


@dataclass(frozen=True)
class Metric:
    """A mean over targets, the higher the better.

    Attributes:
        function: Ranks of shape (n,), from 1, and k → what each target is worth, shape (n,). It
            may look at one target at a time only: intervals and tests draw them anew.
        label: What readers call it.
    """

    function: Callable[[Floats, int], Floats]
    label: str


# by the name that files and options have
METRICS = {
    "recall": Metric(hits, "recall"),
    "mrr": Metric(reciprocal_ranks, "MRR"),
    "ndcg": Metric(discounted_gains, "NDCG"),
}
DEFAULT = tuple(EvaluationConfig().metrics)


def check_metrics(names: Iterable[str], origin: str) -> list[str]:
    """Refuses names that are not in `METRICS`.

    Args:
        names: As an option or an argument has them.
        origin: What that is called.

    Raises:
        ConfigError: One is none.
    """
    names = list(names)
    for name in names:
        if name not in METRICS:
            close = difflib.get_close_matches(str(name), list(METRICS), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(METRICS)}"
            raise ConfigError(f"{origin} names {shown(name)}, which is no metric; {hint}")
    return names


def check_metric(metric: str, origin: str) -> tuple[str, int]:
    """Takes a metric at a cutoff apart: mrr@20 is MRR at 20.

    Args:
        metric: As an option or an argument has it.
        origin: What that is called.

    Returns:
        Its name and k.

    Raises:
        ConfigError: It is none.
    """
    name, _, k = metric.partition("@")
    if name not in METRICS or not re.fullmatch(METRIC, metric):
        known = ", ".join(f"{name}@k" for name in METRICS)
        raise ConfigError(f"{origin} is {shown(metric)}; expected {known}, such as mrr@20")
    return name, int(k)


def recall_at(ranks: Floats, k: int) -> float:
    """Share of targets with rank ≤ k; ranks of shape (n,), n > 0.

    >>> recall_at(np.array([1.0, 4.0, 21.0, 3.0]), k=20)
    0.75
    """
    return float(hits(ranks, k).mean())


def mrr_at(ranks: Floats, k: int) -> float:
    """Mean of 1/rank where rank ≤ k, else 0; ranks of shape (n,), n > 0.

    >>> mrr_at(np.array([1.0, 4.0, 21.0, 4.0]), k=20)  # (1 + 1/4 + 0 + 1/4) / 4
    0.375
    """
    return float(reciprocal_ranks(ranks, k).mean())


def mean_metrics(
    ranks: Floats, cutoffs: Sequence[int], metrics: Iterable[str] = DEFAULT
) -> dict[str, ByCutoff]:
    """Returns metrics of ranks of shape (n,), by name and cutoff."""
    return {
        name: {k: float(METRICS[name].function(ranks, k).mean()) for k in cutoffs}
        for name in metrics
    }


def summarise(ranks: Floats, cutoff: Sequence[int] | int = (20,)) -> tuple[ByCutoff, ByCutoff]:
    """Recall and MRR of ranks of shape (n,), as dictionaries keyed by cutoff."""
    values = mean_metrics(ranks, as_cutoffs(cutoff, "batch_eval"), ("recall", "mrr"))
    return values["recall"], values["mrr"]


def as_cutoffs(cutoff: Sequence[int] | int, origin: str) -> list[int]:
    """Checks the k's of metrics@k; a lone one is a list of one."""
    if not isinstance(cutoff, Iterable) or isinstance(cutoff, str):
        cutoff = [cutoff]
    return EvaluationConfig.parse({"cutoff": list(cutoff)}, origin).cutoff
