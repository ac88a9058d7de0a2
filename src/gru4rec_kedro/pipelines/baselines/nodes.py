"""Fitting and evaluating; the work is done by `gru4rec`."""

import logging
import time

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import EvaluationConfig
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.reading import read_part
from gru4rec_kedro.reporting.measuring import frame_of, measure_ranked, protocol_of, rank_part
from gru4rec_kedro.reporting.origins import events_used
from gru4rec_kedro.reporting.provenance import fingerprint, peak_memory_mb

logger = logging.getLogger(__name__)


def evaluate_baselines(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    options: BaselinesConfig,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Fits and evaluates each baseline on the parts that `experiment` names.

    Returns:
        A row a baseline and cutoff: `model`, `k`, the metrics with the bounds of their 95 %
        intervals (`recall`, `recall_low`, ...), `targets`, `fit_seconds`, `evaluation_seconds`,
        `peak_memory_mb` (of the process until then), `tie_mode`, `ranked_targets`, `exclude_seen`,
        `trained_on`, `training_events`, `events_used` (parts and
        their fingerprints); and the rank of each target: a row a baseline and target.
    """
    fitted_on = read_part({"train_full": train_full, "train": train}, experiment.train_on)
    part = read_part({"test": test, "valid": valid}, experiment.evaluate_on)
    used = events_used(
        {
            "trained_on": experiment.train_on,
            "training_fingerprint": fingerprint(fitted_on),
            "evaluated_on": experiment.evaluate_on,
            "evaluated_events": fingerprint(part),
        }
    )
    rows, ranks = [], []
    for name in options.names:
        begun = time.perf_counter()
        model = options.make(name).fit(fitted_on)
        fit_seconds = time.perf_counter() - begun
        # the first call in a process may compile
        model.score_next(np.zeros(1, np.int64), np.array([0, 1]))
        begun = time.perf_counter()
        ranked = rank_part(model, part, evaluation)
        facts = {
            "targets": len(ranked.ranks),
            "fit_seconds": fit_seconds,
            "evaluation_seconds": time.perf_counter() - begun,
            "peak_memory_mb": peak_memory_mb(),
            **protocol_of(evaluation),
            "trained_on": experiment.train_on,
            "training_events": len(fitted_on),
            "events_used": used,
        }
        measured = measure_ranked(ranked, evaluation)
        last = measured.iloc[-1]
        logger.info(
            "%s: %s",
            name,
            ", ".join(f"{of}@{last['k']:.0f} {last[of]:.4f}" for of in evaluation.metrics),
        )
        rows.append(measured.assign(**facts).assign(model=name))
        ranks.append(frame_of(ranked, evaluation).assign(model=name))
    metrics = pd.concat(rows, ignore_index=True)
    metrics.insert(0, "model", metrics.pop("model"))
    return metrics, pd.concat(ranks, ignore_index=True)
