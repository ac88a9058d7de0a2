"""Training and evaluation; the work is done by `gru4rec`."""

import time
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from gru4rec import (
    DataError,
    EvaluationConfig,
    GRU4Rec,
    ModelConfig,
    TrainingConfig,
    rank_events,
    summarise,
)
from gru4rec_kedro.parameters import ExperimentConfig


def _read(parts: dict[str, ir.Table], name: str) -> pd.DataFrame:
    frame: pd.DataFrame = parts[name].to_pandas()
    if frame.empty:
        raise DataError(
            f"the part {name!r} is empty; see the section 'data_split', or name another part in "
            "the section 'experiment'"
        )
    return frame


def train_model(
    train: ir.Table,
    valid: ir.Table,
    train_full: ir.Table,
    model: ModelConfig,
    training: TrainingConfig,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
) -> tuple[GRU4Rec, pd.DataFrame]:
    """Trains a new model on the part that `experiment.train_on` names.

    Returns:
        The model and its history, a row an epoch.
    """
    gru = GRU4Rec(**model).fit(
        _read({"train_full": train_full, "train": train}, experiment.train_on),
        **training,
        valid=_read({"valid": valid}, "valid") if experiment.valid_each_epoch else None,
        valid_cutoff=evaluation.cutoff,
    )
    return gru, gru.history


def evaluate_model(
    model: GRU4Rec,
    valid: ir.Table,
    test: ir.Table,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Ranks every next item of the part that `experiment.evaluate_on` names.

    Returns:
        Metrics, as plain values; and the rank of each target, a row a target.
    """
    part = _read({"test": test, "valid": valid}, experiment.evaluate_on)
    begun = time.perf_counter()
    ranked = rank_events(model, part, evaluation.batch_size, evaluation.mode)
    seconds = time.perf_counter() - begun
    recall, mrr = summarise(ranked.ranks, evaluation.cutoff)
    history = model.history
    metrics = {
        **{f"recall@{k}": value for k, value in recall.items()},
        **{f"mrr@{k}": value for k, value in mrr.items()},
        "targets": len(ranked.ranks),
        "events": ranked.n_events,
        "unknown_events": ranked.n_unknown,
        "items": len(model.vocabulary),
        "trained_on": experiment.train_on,
        "evaluated_on": experiment.evaluate_on,
        "tie_mode": evaluation.mode,
        "epochs": len(history),
        "training_loss": float(history["loss"].iloc[-1]),
        "training_seconds": float(history["seconds"].sum()),
        "training_events_per_second": float(history["events"].sum() / history["seconds"].sum()),
        "evaluation_seconds": seconds,
        # of this model, which may have been trained by an earlier run
        "model": model.config.model_dump(),
    }
    return metrics, ranked.to_frame()
