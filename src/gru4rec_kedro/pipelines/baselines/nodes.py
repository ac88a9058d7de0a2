"""Fitting and evaluating; the work is done by `gru4rec`."""

import logging
import time
from collections.abc import Callable

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import EvaluationConfig, baselines, columns, confidence_intervals, rank_events
from gru4rec.evaluation import summarise
from gru4rec_kedro.options.parameters import BaselineName, BaselinesConfig, ExperimentConfig
from gru4rec_kedro.reading import read_part
from gru4rec_kedro.reporting.provenance import peak_memory_mb

logger = logging.getLogger(__name__)

_VALUES = ("recall", "mrr")
_MAKE: dict[BaselineName, Callable[[BaselinesConfig], baselines.Baseline]] = {
    "popularity": lambda _: baselines.Popularity(),
    "session_popularity": lambda _: baselines.SessionPopularity(),
    "markov_chain": lambda _: baselines.MarkovChain(),
    "item_knn": lambda options: baselines.ItemKNN(options.regularization),
    "sknn": lambda options: baselines.SKNN(options.k, options.m),
    "vsknn": lambda options: baselines.VSKNN(options.k, options.m),
    "stan": lambda options: baselines.STAN(
        options.k, options.m, options.session_decay, options.distance_decay
    ),
}


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
        A row a baseline and cutoff: `model`, `k`, recall and mrr with the bounds of their 95 %
        intervals, `targets`, `fit_seconds`, `evaluation_seconds`, `peak_memory_mb` (of the process
        until then), `tie_mode`, `trained_on`, `training_events`; and the rank of each target: a
        row a baseline and target.
    """
    fitted_on = read_part({"train_full": train_full, "train": train}, experiment.train_on)
    part = read_part({"test": test, "valid": valid}, experiment.evaluate_on)
    rows, ranks = [], []
    for name in options.models:
        begun = time.perf_counter()
        model = _MAKE[name](options).fit(fitted_on)
        fit_seconds = time.perf_counter() - begun
        # the first call in a process may compile
        model.score_next(np.zeros(1, np.int64), np.array([0, 1]))
        begun = time.perf_counter()
        ranked = rank_events(model, part, evaluation.batch_size, evaluation.mode)
        facts = {
            "targets": len(ranked.ranks),
            "fit_seconds": fit_seconds,
            "evaluation_seconds": time.perf_counter() - begun,
            "peak_memory_mb": peak_memory_mb(),
            "tie_mode": evaluation.mode,
            "trained_on": experiment.train_on,
            "training_events": len(fitted_on),
        }
        frame = ranked.to_frame()
        measured = _measure(frame, evaluation)
        last = measured.iloc[-1]
        logger.info(
            "%s: %s", name, ", ".join(f"{n}@{last['k']:.0f} {last[n]:.4f}" for n in _VALUES)
        )
        rows.append(measured.assign(**facts).assign(model=name))
        ranks.append(frame.assign(model=name))
    metrics = pd.concat(rows, ignore_index=True)
    metrics.insert(0, "model", metrics.pop("model"))
    return metrics, pd.concat(ranks, ignore_index=True)


def _measure(ranked: pd.DataFrame, evaluation: EvaluationConfig) -> pd.DataFrame:
    values = summarise(ranked[columns.RANK].to_numpy(), evaluation.cutoff)
    bounds = confidence_intervals(ranked[columns.SESSION], ranked[columns.RANK], evaluation.cutoff)
    table = pd.DataFrame({"k": evaluation.cutoff})
    for name, by_cutoff, intervals in zip(_VALUES, values, bounds, strict=True):
        table[name] = table["k"].map(by_cutoff)
        table[f"{name}_low"] = table["k"].map({k: low for k, (low, _) in intervals.items()})
        table[f"{name}_high"] = table["k"].map({k: high for k, (_, high) in intervals.items()})
    return table
