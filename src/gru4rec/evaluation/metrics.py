"""Metrics of ranks: recall and MRR."""

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from gru4rec.config import EvaluationConfig

Metric = dict[int, float]


def recall_at(ranks: npt.NDArray[np.float64], k: int) -> float:
    """Share of targets with rank ≤ k; ranks of shape (n,), n > 0.

    >>> recall_at(np.array([1.0, 4.0, 21.0, 3.0]), k=20)
    0.75
    """
    return float(np.mean(ranks <= k))


def mrr_at(ranks: npt.NDArray[np.float64], k: int) -> float:
    """Mean of 1/rank where rank ≤ k, else 0; ranks of shape (n,), n > 0.

    >>> mrr_at(np.array([1.0, 4.0, 21.0, 4.0]), k=20)  # (1 + 1/4 + 0 + 1/4) / 4
    0.375
    """
    return float(np.mean(np.where(ranks <= k, 1 / ranks, 0.0)))


def summarise(
    ranks: npt.NDArray[np.float64], cutoff: Sequence[int] | int = (20,)
) -> tuple[Metric, Metric]:
    """Recall and MRR of ranks of shape (n,), as dictionaries keyed by cutoff."""
    cutoffs = as_cutoffs(cutoff, "batch_eval")
    return {k: recall_at(ranks, k) for k in cutoffs}, {k: mrr_at(ranks, k) for k in cutoffs}


def as_cutoffs(cutoff: Sequence[int] | int, origin: str) -> list[int]:
    """Checks the k's of recall@k and MRR@k; a lone one is a list of one."""
    if not isinstance(cutoff, Iterable) or isinstance(cutoff, str):
        cutoff = [cutoff]
    return EvaluationConfig.parse({"cutoff": list(cutoff)}, origin).cutoff
