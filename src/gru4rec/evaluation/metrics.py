"""All metrics. A new one is an entry in `METRICS`: results, figures and tests follow it."""

import difflib
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec.config import METRIC, EvaluationConfig
from gru4rec.errors import ConfigError, DataError, shown
from gru4rec.evaluation import lists as of_lists
from gru4rec.evaluation.lists import Lists

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
    """A mean over targets of what their ranks are worth, the higher the better.

    Attributes:
        function: Ranks of shape (n,), from 1, and k → what each target is worth, shape (n,). It
            may look at one target at a time only: intervals and tests draw them anew.
        label: What readers call it.
        meaning: What it is, in a few words for a report.
    """

    function: Callable[[Floats, int], Floats]
    label: str
    meaning: str = ""


@dataclass(frozen=True)
class ListMetric:
    """A mean over targets of what the lists of best items are like; neither high nor low is good.

    Attributes:
        function: Lists of n targets and k → a number for each target, shape (n,). It may look at
            one list at a time only.
        label: What readers call it.
        meaning: What it is, in a few words for a report.
    """

    function: Callable[[Lists, int], Floats]
    label: str
    meaning: str = ""


@dataclass(frozen=True)
class CatalogueMetric:
    """What all lists together show of the catalogue.

    It has neither interval nor test: sessions that are drawn with replacement are fewer different
    ones than there are, and show fewer items, so the draws lie beside the value, not around it.

    Attributes:
        function: How often each item is shown, shape (n_items,) → the metric.
        label: What readers call it.
        meaning: What it is, in a few words for a report.
    """

    function: Callable[[npt.NDArray[np.int64]], float]
    label: str
    meaning: str = ""


# by the name that files and options have
METRICS: dict[str, Metric | ListMetric | CatalogueMetric] = {
    "recall": Metric(
        hits, "recall", "targets among the k best items; also the hit rate, and k times precision"
    ),
    "mrr": Metric(reciprocal_ranks, "MRR", "mean of 1/rank, 0 beyond k; also MAP"),
    "ndcg": Metric(discounted_gains, "NDCG", "mean of 1/log₂(rank + 1), 0 beyond k"),
    "item_coverage": CatalogueMetric(
        of_lists.coverage, "coverage", "share of the items that are in a list of k at all"
    ),
    "gini": CatalogueMetric(
        of_lists.gini, "Gini", "0: all items are in as many lists of k; near 1: few are in all"
    ),
    "popularity": ListMetric(
        of_lists.percentiles,
        "popularity",
        "mean popularity percentile of the k best items; 1 is the most popular item",
    ),
    "novelty": ListMetric(
        of_lists.self_information,
        "novelty",
        "mean −log₂ of the k best items' shares of the training events, in bits",
    ),
    "overlap": ListMetric(
        of_lists.shares_of_popular,
        "overlap",
        "share of the k best items that are among the k most popular ones",
    ),
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
    """Takes a metric of ranks at a cutoff apart: mrr@20 is MRR at 20.

    Args:
        metric: As an option or an argument has it.
        origin: What that is called.

    Returns:
        Its name and k.

    Raises:
        ConfigError: It is none.
    """
    name, _, k = metric.partition("@")
    if not of_ranks([name]) or not re.fullmatch(METRIC, metric):
        known = ", ".join(f"{name}@k" for name in of_ranks(METRICS))
        raise ConfigError(f"{origin} is {shown(metric)}; expected {known}, such as mrr@20")
    return name, int(k)


def of_ranks(names: Iterable[str]) -> list[str]:
    """Returns the names of the metrics of ranks among some names."""
    return [name for name in names if isinstance(METRICS.get(name), Metric)]


def lists_needed(names: Iterable[str], cutoffs: Sequence[int]) -> int:
    """Returns how long the lists are that some metrics need: `top` of `rank_events`."""
    names = list(names)
    return max(cutoffs) if len(of_ranks(names)) < len(names) else 0


def worth_of(
    names: Iterable[str],
    cutoffs: Sequence[int],
    ranks: Floats,
    lists: Lists | pd.DataFrame | None = None,
) -> dict[str, Floats]:
    """Returns what each target is worth.

    Args:
        names: Of metrics; of those that are a `CatalogueMetric` no target has a part.
        cutoffs: The k's.
        ranks: Shape (n,).
        lists: The best items for each target, or the `ListMetric` part of this very result.

    Returns:
        Arrays of shape (n,) by name and cutoff, such as recall@20.

    Raises:
        DataError: A metric needs lists, and there are none or too short ones.
    """
    worth = {}
    for name, k in itertools.product(names, cutoffs):
        metric = METRICS[name]
        if isinstance(metric, Metric):
            worth[f"{name}@{k}"] = metric.function(ranks, k)
        elif isinstance(metric, ListMetric) and isinstance(lists, pd.DataFrame):
            worth[f"{name}@{k}"] = _kept(lists, f"{name}@{k}")
        elif isinstance(metric, ListMetric):
            worth[f"{name}@{k}"] = metric.function(long_enough(lists, name, k), k)
    return worth


def _kept(lists: pd.DataFrame, column: str) -> Floats:
    if column not in lists:
        raise DataError(
            f"{column} is not among what was kept of the lists ({', '.join(map(str, lists))}): "
            "give worth_of_lists its metric and cutoff, too"
        )
    return lists[column].to_numpy(dtype=np.float64)


def long_enough(lists: Lists | pd.DataFrame | None, name: str, k: int) -> Lists:
    """Refuses lists that are too short for a metric at k."""
    if isinstance(lists, Lists) and lists.items.shape[1] >= k:
        return lists
    has = f"have {lists.items.shape[1]}" if isinstance(lists, Lists) else "are missing"
    raise DataError(
        f"{name}@{k} needs the {k} best items for each target, which {has}: rank with "
        f"rank_events(…, top={k}), and give its lists"
    )


def worth_of_lists(lists: Lists, names: Iterable[str], cutoffs: Sequence[int]) -> pd.DataFrame:
    """Returns what the lists of each target are like, to be kept in their place.

    Returns:
        A row a target, a column for each cutoff and `ListMetric` among the names: novelty@20.
    """
    wanted = [name for name in names if isinstance(METRICS[name], ListMetric)]
    return pd.DataFrame(worth_of(wanted, cutoffs, np.empty(0), lists))


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
    """Returns metrics of ranks of shape (n,), by name and cutoff; those of lists are left out."""
    metrics = of_ranks(check_metrics(metrics, "mean_metrics"))
    means = {name: worth.mean() for name, worth in worth_of(metrics, cutoffs, ranks).items()}
    return {name: {k: float(means[f"{name}@{k}"]) for k in cutoffs} for name in metrics}


def summarise(ranks: Floats, cutoff: Sequence[int] | int = (20,)) -> tuple[ByCutoff, ByCutoff]:
    """Recall and MRR of ranks of shape (n,), as dictionaries keyed by cutoff."""
    values = mean_metrics(ranks, as_cutoffs(cutoff, "batch_eval"), ("recall", "mrr"))
    return values["recall"], values["mrr"]


def as_cutoffs(cutoff: Sequence[int] | int, origin: str) -> list[int]:
    """Checks the k's of metrics@k; a lone one is a list of one."""
    if not isinstance(cutoff, Iterable) or isinstance(cutoff, str):
        cutoff = [cutoff]
    return EvaluationConfig.parse({"cutoff": list(cutoff)}, origin).cutoff
