"""How good a model is: ranks of the next items among all, metrics of these, how sure they are."""

from gru4rec.evaluation.data import EvaluationData, prepare_evaluation
from gru4rec.evaluation.intervals import (
    compare,
    confidence_intervals,
    holm,
    measure,
    paired_differences,
)
from gru4rec.evaluation.lists import Lists
from gru4rec.evaluation.metrics import (
    DEFAULT,
    METRICS,
    CatalogueMetric,
    ListMetric,
    Metric,
    as_cutoffs,
    check_metric,
    check_metrics,
    lists_needed,
    mean_metrics,
    mrr_at,
    of_ranks,
    recall_at,
    summarise,
    worth_of_lists,
)
from gru4rec.evaluation.next_item import NextItemModel, by_network
from gru4rec.evaluation.ranking import TIE_MODES
from gru4rec.evaluation.ranks import (
    RankedEvents,
    batch_eval,
    evaluate,
    in_blocks,
    rank_events,
    rank_prepared,
    walk_states,
)
from gru4rec.evaluation.shared import rank_shared

__all__ = [
    "DEFAULT",
    "METRICS",
    "TIE_MODES",
    "CatalogueMetric",
    "EvaluationData",
    "ListMetric",
    "Lists",
    "Metric",
    "NextItemModel",
    "RankedEvents",
    "as_cutoffs",
    "batch_eval",
    "by_network",
    "check_metric",
    "check_metrics",
    "compare",
    "confidence_intervals",
    "evaluate",
    "holm",
    "in_blocks",
    "lists_needed",
    "mean_metrics",
    "measure",
    "mrr_at",
    "of_ranks",
    "paired_differences",
    "prepare_evaluation",
    "rank_events",
    "rank_prepared",
    "rank_shared",
    "recall_at",
    "summarise",
    "walk_states",
    "worth_of_lists",
]
