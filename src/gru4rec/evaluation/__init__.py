"""How good a model is: ranks of the next items among all, metrics of these, how sure they are."""

from gru4rec.evaluation.intervals import confidence_intervals, paired_differences
from gru4rec.evaluation.metrics import Metric, as_cutoffs, mrr_at, recall_at, summarise
from gru4rec.evaluation.ranks import (
    EvaluationData,
    NextItemModel,
    RankedEvents,
    batch_eval,
    by_network,
    evaluate,
    in_blocks,
    prepare_evaluation,
    rank_events,
    rank_prepared,
    walk_states,
)

__all__ = [
    "EvaluationData",
    "Metric",
    "NextItemModel",
    "RankedEvents",
    "as_cutoffs",
    "batch_eval",
    "by_network",
    "confidence_intervals",
    "evaluate",
    "in_blocks",
    "mrr_at",
    "paired_differences",
    "prepare_evaluation",
    "rank_events",
    "rank_prepared",
    "recall_at",
    "summarise",
    "walk_states",
]
