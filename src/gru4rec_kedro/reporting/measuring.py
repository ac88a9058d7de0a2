"""How a run ranks and measures: the section `evaluation`, for models and baselines alike."""

import pandas as pd

from gru4rec import EvaluationConfig, RankedEvents, rank_events
from gru4rec.evaluation import NextItemModel, lists_needed, measure, worth_of_lists


def rank_part(
    model: NextItemModel, part: pd.DataFrame, evaluation: EvaluationConfig
) -> RankedEvents:
    """Ranks the targets of a part of the log, with lists where a metric needs them."""
    return rank_events(
        model,
        part,
        evaluation.batch_size,
        evaluation.mode,
        targets=evaluation.targets,
        exclude_seen=evaluation.exclude_seen,
        top=lists_needed(evaluation.metrics, evaluation.cutoff),
    )


def measure_ranked(ranked: RankedEvents, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Measures what was ranked; see `gru4rec.evaluation.measure`."""
    return measure(
        ranked.sessions,
        ranked.ranks,
        evaluation.cutoff,
        metrics=evaluation.metrics,
        lists=ranked.lists,
    )


def frame_of(ranked: RankedEvents, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Returns a row a target: see `RankedEvents.to_frame`, and what its list is like."""
    frame = ranked.to_frame()
    if ranked.lists is None:
        return frame
    of_lists = worth_of_lists(ranked.lists, evaluation.metrics, evaluation.cutoff)
    return pd.concat([frame, of_lists], axis=1)


def protocol_of(evaluation: EvaluationConfig) -> dict[str, str | bool]:
    """Returns what must be equal for results to compare, as columns and metrics have it."""
    return {
        "tie_mode": evaluation.mode,
        "ranked_targets": evaluation.targets,
        "exclude_seen": evaluation.exclude_seen,
    }
