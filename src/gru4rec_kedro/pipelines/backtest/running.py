"""Works on trials: trains, ranks, writes; by any number of processes."""

import contextlib
import functools
import logging
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd
from filelock import FileLock, Timeout

from gru4rec import GRU4Rec, RankedEvents, columns
from gru4rec.evaluation import NextItemModel, check_metric, mean_metrics, rank_shared
from gru4rec.files import make_folders, written_whole
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.pipelines.backtest.trials import Options, Trial
from gru4rec_kedro.pipelines.backtest.windows import Window, cut, keep_newest

logger = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0

# what is before a window, and in it
Cut = Callable[[Window], tuple[ir.Table, ir.Table]]


def run_trials(trials: Mapping[Any, Trial], events: ir.Table, options: Options) -> None:
    """Works on trials until all are done, by this process or by others."""
    every = list({trial.path: trial for trial in trials.values()}.values())
    left = [trial for trial in every if not trial.is_done()]
    logger.info("Backtest: %d of %d trials are there", len(every) - len(left), len(every))
    make_folders(every[0].path.parent)
    cut_once: Cut = functools.cache(functools.partial(cut, events))
    seconds: list[float] = []
    is_waiting = False
    while left := [trial for trial in left if not trial.is_done()]:
        begun = time.monotonic()
        if any(_try(trial, cut_once, options) for trial in left):
            seconds.append(time.monotonic() - begun)
            expected = sum(seconds) / len(seconds) * (len(left) - 1)
            done = len(every) - len(left) + 1
            logger.info("%d of %d trials, about %.0f s left", done, len(every), expected)
        else:
            if not is_waiting:
                logger.info("Waiting for the trials of other processes")
            is_waiting = True
            time.sleep(_WAIT_SECONDS)


def _try(trial: Trial, cut_once: Cut, options: Options) -> bool:
    """Makes a trial, unless another process is at it, or its turn has not come."""
    lock = FileLock(trial.path.with_suffix(".lock"), timeout=0)
    if not trial.can_begin():
        return False
    try:
        with lock:  # of the operating system: it ends with its process
            if trial.is_done():
                return False
            _make(trial, cut_once, options)
    except Timeout:
        return False
    with contextlib.suppress(OSError):
        Path(lock.lock_file).unlink()
    return True


def _make(trial: Trial, cut_once: Cut, options: Options) -> None:
    """Trains, ranks and writes."""
    before, inside = cut_once(trial.window)
    part = inside.to_pandas()
    model, facts = _train(trial, cut_once, options)
    # the first call in a process may compile
    model.score_next(np.zeros(1, np.int64), np.array([0, 1]))
    # what the log has had is what the newest of all models could know
    items = before.select(columns.ITEM).distinct().to_pandas()[columns.ITEM].to_numpy()
    begun = time.perf_counter()
    evaluation = options.evaluation
    ranked = rank_shared(model, part, items, evaluation.batch_size, evaluation.mode)
    facts = facts | {"evaluation_seconds": time.perf_counter() - begun} | _count(ranked)
    if trial.keep:
        assert isinstance(model, GRU4Rec)  # noqa: S101  (baselines are not trained further)
        model.save(trial.keep)
    frame = pd.DataFrame({columns.SESSION: ranked.sessions, columns.RANK: ranked.ranks})
    frame.attrs.update(facts)
    with written_whole(trial.path) as temporary:
        frame.to_parquet(temporary, index=False)
    _tell(trial, frame, options.backtest)


def _count(ranked: RankedEvents) -> dict[str, Any]:
    return {"events": ranked.n_events, "new_events": ranked.n_unknown}


def _train(trial: Trial, cut_once: Cut, options: Options) -> tuple[NextItemModel, dict[str, Any]]:
    """Returns the model of a trial, with how many events it was trained on and how long."""
    backtest, model = options.backtest, options.model
    if trial.start_from and not trial.since:
        old = GRU4Rec.load(trial.start_from, model.device)
        return old, {"training_events": 0, "training_seconds": 0.0}
    if trial.start_from and trial.since:
        epochs = backtest.continue_epochs or model.n_epochs
        further = model.model_copy(update={"n_epochs": epochs})
        learner: Any = GRU4Rec.load(trial.start_from, model.device, further)
        part = cut_once(trial.since)[1].to_pandas()
    else:
        is_baseline = trial.strategy in backtest.baselines
        learner = options.baselines.make(trial.strategy) if is_baseline else GRU4Rec(**model)
        before, _ = cut_once(trial.window)
        part = keep_newest(before, trial.window, backtest.train_days).to_pandas()
    begun = time.perf_counter()
    if isinstance(learner, GRU4Rec):
        learner.fit(part, **options.training.model_copy(update={"patience": None, "resume": False}))
    else:
        learner.fit(part)
    seconds = time.perf_counter() - begun
    return learner, {"training_events": len(part), "training_seconds": seconds}


def _tell(trial: Trial, ranks: pd.DataFrame, options: BacktestConfig) -> None:
    name, k = check_metric(options.metric, "backtest.metric")
    value = mean_metrics(ranks[columns.RANK].to_numpy(), [k], [name])[name][k]
    logger.info(
        "Window %d, %s: %s %.4f, trained on %s events in %.1f s",
        trial.window.number,
        trial.strategy,
        options.metric,
        value,
        f"{ranks.attrs['training_events']:,}",
        ranks.attrs["training_seconds"],
    )
