"""Searches options on the validation part; the work is done by `gru4rec` and Optuna."""

import hashlib
import json
import logging
import warnings
from collections.abc import Callable
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import GRU4Rec, ModelConfig, TrainingConfig
from gru4rec_kedro.errors import TuningError
from gru4rec_kedro.options.search_space import TuningConfig, comparable, with_options
from gru4rec_kedro.pipelines.tuning.study import (
    decoded,
    finished_trials,
    measure_once,
    open_study,
    run_study,
    starting_point,
)
from gru4rec_kedro.reading import read_part
from gru4rec_kedro.reporting.provenance import sum_up

logger = logging.getLogger(__name__)


def search_options(
    store: Any,
    train: ir.Table,
    valid: ir.Table,
    model: ModelConfig,
    training: TrainingConfig,
    tuning: TuningConfig,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Searches the options that are best on `valid`; goes on where an earlier run stopped.

    Returns:
        The trials, a row each; the importance of each searched option (PED-ANOVA), which is empty
        while too few trials are complete; and the best options, as `kedro run --config` takes them.

    Raises:
        TuningError: Nothing is searched, or no trial ended well.
    """
    if not tuning.search.options:
        raise TuningError("tuning.search names no option; there is nothing to search")
    parts = _read_parts(train, valid)
    sections = {"model": model, "training": training}
    values = {name: _value(sections, name) for name in tuning.search.options}
    start = starting_point(values, tuning)
    name = f"{tuning.study}-{_fingerprint(*parts, *comparable(sections, tuning))}"
    study = open_study(store, name, tuning)
    logger.info("Study %s: %d of %d trials", name, len(finished_trials(study)), tuning.n_trials)

    def measure(options: dict[str, Any], report: Callable[[int, float], None]) -> float:
        return _measure(*parts, sections, options, tuning, report)

    run_study(study, store, measure, start, tuning, model.seed)
    trials = _tabulate(study, tuning)
    if not (trials["state"] == "complete").any():
        errors = trials["error"].dropna()
        why = f"; the last failed because {errors.iloc[-1]}" if len(errors) else ""
        raise TuningError(
            f"none of {len(trials)} trials of study {name} is complete{why}. Allow more trials or "
            "time, or change the starting point or the search space"
        )
    best = decoded(study.best_trial)
    logger.info("Best of the study: %s %.4f with %s", tuning.metric, study.best_value, best)
    return trials, _importance(study), {"run": {"params": _by_section(best)}}


def measure_gain(
    store: Any,
    best_parameters: dict[str, Any],
    train: ir.Table,
    valid: ir.Table,
    model: ModelConfig,
    training: TrainingConfig,
    tuning: TuningConfig,
) -> dict[str, Any]:
    """Trains the starting point and the best options with further seeds and compares them.

    The best value of a study is that of the luckiest trial: only new seeds tell what was gained.
    Of several processes one does it, and all get what it found.

    Returns:
        Mean, standard deviation (None of one value) and values of the metric on `valid`, for
        `start` and `best`; and their difference, `gain`, also relative to the start.
    """
    parts = _read_parts(train, valid)
    sections = {"model": model, "training": training}
    found = {
        f"{section}.{name}": value
        for section, options in best_parameters["run"]["params"].items()
        for name, value in options.items()
    }
    seeds = [{"model.seed": model.seed + repeat} for repeat in range(1, tuning.repeats + 1)]

    def measure() -> dict[str, list[float]]:
        values: dict[str, list[float]] = {"start": [], "best": []}
        for seed in seeds:
            values["start"].append(_measure(*parts, sections, seed, tuning))
            values["best"].append(_measure(*parts, sections, found | seed, tuning))
        return values

    start = {name: _value(sections, name) for name in tuning.search.options}
    what = _fingerprint(*parts, *comparable(sections, tuning), start, found, seeds)
    values = measure_once(store, f"gain-{tuning.study}-{what}", tuning, measure)
    summary = {name: _summarise(numbers) for name, numbers in values.items()}
    gain = summary["best"]["mean"] - summary["start"]["mean"]
    logger.info(
        "%s on valid over %d seed(s): %s",
        tuning.metric,
        tuning.repeats,
        ", ".join(f"{name} {_say(values)}" for name, values in summary.items()),
    )
    if gain <= 0:
        logger.warning(
            "The best options of the study are no better than the starting point with other "
            "seeds: keep the options that you have rather than best_parameters, or search on, "
            "with a higher tuning.n_trials"
        )
    return {
        "metric": tuning.metric,
        "seeds": tuning.repeats,
        "best_parameters": found,
        **summary,
        "gain": gain,
        "relative_gain": gain / max(summary["start"]["mean"], 1e-12),
    }


def _summarise(values: list[float]) -> dict[str, Any]:
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return {"mean": float(np.mean(values)), "deviation": deviation, "values": values}


def _say(summary: dict[str, Any]) -> str:
    deviation = summary["deviation"]
    return f"{summary['mean']:.4f}" + (f" ± {deviation:.4f}" if deviation is not None else "")


def _read_parts(train: ir.Table, valid: ir.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    parts = {"train": train, "valid": valid}
    return read_part(parts, "train"), read_part(parts, "valid")


def _value(sections: dict[str, Any], name: str) -> Any:
    section, _, option = name.partition(".")
    return sections[section][option]


def _measure(
    train: pd.DataFrame,
    valid: pd.DataFrame,
    sections: dict[str, Any],
    options: dict[str, Any],
    tuning: TuningConfig,
    report: Callable[[int, float], None] = lambda *_: None,
) -> float:
    """Trains with options in place of those of the sections; returns the metric of what is kept."""
    gru = GRU4Rec(**with_options("model", sections["model"], options))
    gru.fit(
        train,
        **with_options("training", sections["training"], {**options, "training.resume": False}),
        valid=valid,
        **tuning.measured,
        on_epoch=lambda record: report(int(record["epoch"]), record[tuning.metric]),
    )
    return float(gru.history.set_index("epoch")[tuning.metric][gru.best_epoch])


def _fingerprint(train: pd.DataFrame, valid: pd.DataFrame, *options: Any) -> str:
    """Sums up what makes measurements comparable."""
    data = [sum_up(part) for part in (train, valid)]
    text = json.dumps([data, *options], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def _tabulate(study: Any, tuning: TuningConfig) -> pd.DataFrame:
    rows = [
        {
            "trial": trial.number,
            "state": trial.state.name.lower(),
            tuning.metric: trial.value if trial.state.name == "COMPLETE" else None,
            "epochs": max(trial.intermediate_values, default=0),
            "seconds": trial.duration.total_seconds() if trial.duration else None,
            **{name: _cell(value) for name, value in decoded(trial).items()},
            "error": trial.user_attrs.get("error"),
        }
        for trial in finished_trials(study)
    ]
    names = ["trial", "state", tuning.metric, "epochs", "seconds", *tuning.search.options, "error"]
    return pd.DataFrame(rows, columns=names)


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        return value[0] if len(value) == 1 else " ".join(map(str, value))
    return value


def _importance(study: Any) -> pd.DataFrame:
    from optuna.importance import get_param_importances  # noqa: PLC0415  (optional)

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of equal shares, which are no finding
            found = get_param_importances(study)
    except (ValueError, RuntimeError, UserWarning):  # too few complete trials
        found = {}
    return pd.DataFrame(list(found.items()), columns=["option", "importance"])


def _by_section(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        section, _, option = name.partition(".")
        sections.setdefault(section, {})[option] = value
    return sections
