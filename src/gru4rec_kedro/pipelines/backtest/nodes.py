"""Measures how a model ages; the work is done by `gru4rec`."""

from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import EvaluationConfig, LoadingConfig, ModelConfig, TrainingConfig, columns
from gru4rec.evaluation import check_metric, compare, measure, of_ranks
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.pipelines.backtest.running import run_trials
from gru4rec_kedro.pipelines.backtest.trials import Options, Trial, plan_trials
from gru4rec_kedro.pipelines.backtest.windows import Window, before_end, find_windows, say_time
from gru4rec_kedro.reading import DAY, refuse_ordinal


def run_backtest(
    store: Path,
    filtered_events: ir.Table,
    model: ModelConfig,
    training: TrainingConfig,
    evaluation: EvaluationConfig,
    baselines: BaselinesConfig,
    backtest: BacktestConfig,
    loading: LoadingConfig,
) -> pd.DataFrame:
    """Measures strategies and baselines in one window after the other, on the same targets.

    Targets are the events of the window, but the first of a session, on items that the log has
    before the window: those that a model could know. One that a strategy's model does not know
    counts as missed, see `gru4rec.evaluation.rank_shared`.

    Args:
        store: Folder of what was measured so far; an earlier run goes on there.
        filtered_events: The log.
        model: Options of all models.
        training: Of these, what is about memory and initial weights; no epoch is chosen.
        evaluation: How to measure.
        baselines: Options of baselines.
        backtest: Windows, strategies, baselines.
        loading: How the log was read: whether there are days.

    Returns:
        A row a window, strategy and cutoff: `window`, its start and end (UTC), `strategy`,
        `age_days` of the model's newest events when the window begins, `sessions`, `targets`,
        `new_events` (share of the window's events that are on items that the log did not have, and
        are left out), `missed` (share of targets that the model cannot rank), `training_events`
        and seconds spent before the window, and as `measure` and `compare` have them the metrics
        with their intervals, and how far they are ahead of the strategy in `over`.

    Raises:
        ConfigError: Times only order the events.
        DataError: A window has too few sessions; nothing was trained then.
    """
    refuse_ordinal(loading, "backtest.window_days")
    events = before_end(filtered_events, backtest)
    windows = find_windows(events, backtest)
    options = Options(model, training, evaluation, baselines, backtest)
    trials = plan_trials(store, events, windows, options)
    run_trials(trials, events, options)
    return _tabulate(trials, windows, options)


def _tabulate(
    trials: dict[tuple[int, str], Trial], windows: list[Window], options: Options
) -> pd.DataFrame:
    backtest = options.backtest
    metric, k = check_metric(backtest.metric, "backtest.metric")
    cutoffs = sorted({*options.evaluation.cutoff, k})
    metrics = of_ranks(dict.fromkeys([*options.evaluation.metrics, metric]))
    over = "once" if "once" in backtest.strategies else backtest.strategies[0]
    tables = []
    for (number, strategy), trial in trials.items():
        ranks, other = trial.read(), trials[number, over].read()
        sessions, own = ranks[columns.SESSION], ranks[columns.RANK]
        table = measure(sessions, own, cutoffs, metrics=metrics)
        if strategy != over:
            ahead = compare(sessions, own, other[columns.RANK], cutoffs, metrics=metrics)
            table = table.merge(ahead, on="k").assign(over=over)
        window = windows[number - 1]
        age = (window.start - windows[0].start) / DAY if strategy == "once" else 0.0
        facts = _describe(window, backtest.until, ranks) | {"strategy": strategy, "age_days": age}
        tables.append(table.assign(**facts))
    first = ["window", "start", "end", "strategy", "age_days"]
    found = pd.concat(tables, ignore_index=True)
    return found[[*first, *found.columns.difference(first, sort=False)]]


def _describe(window: Window, until: float | None, ranks: pd.DataFrame) -> dict[str, Any]:
    facts, end = ranks.attrs, window.end or until
    return {
        "window": window.number,
        "start": say_time(window.start),
        "end": "" if end is None else say_time(end),
        "sessions": ranks[columns.SESSION].nunique(),
        "targets": len(ranks),
        "new_events": facts["new_events"] / facts["events"],
        "missed": float(np.isinf(ranks[columns.RANK]).mean()),
        **{name: facts[name] for name in ("training_events", "training_seconds")},
        "evaluation_seconds": facts["evaluation_seconds"],
    }
