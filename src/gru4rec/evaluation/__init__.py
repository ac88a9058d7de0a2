"""How good a model is: ranks of the next items among all, metrics of these, how sure they are."""

from gru4rec.evaluation.intervals import (
    compare,
    confidence_intervals,
    measure,
    paired_differences,
)
from gru4rec.evaluation.metrics import (
    DEFAULT,
    METRICS,
    Metric,
    as_cutoffs,
    check_metric,
    check_metrics,
    mean_metrics,
    mrr_at,
    recall_at,
    summarise,
)
from gru4rec.evaluation.ranking import TIE_MODES
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
from gru4rec.evaluation.shared import rank_shared

__all__ = [
    "DEFAULT",
    "METRICS",
    "TIE_MODES",
    "EvaluationData",
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
    "in_blocks",
    "mean_metrics",
    "measure",
    "mrr_at",
    "paired_differences",
    "prepare_evaluation",
    "rank_events",
    "rank_prepared",
    "rank_shared",
    "recall_at",
    "summarise",
    "walk_states",
]
