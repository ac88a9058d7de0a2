"""What there is to train and measure: a trial for each window and strategy, kept in files.

What one process has done is done for all others and for later runs.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from gru4rec import EvaluationConfig, ModelConfig, TrainingConfig
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.options.search_space import NEVER_SEARCHED
from gru4rec_kedro.pipelines.backtest.windows import Window
from gru4rec_kedro.reporting.provenance import sum_up

# where and how safely a model is trained, and how an epoch would be chosen, which none is here
_WITHOUT_EFFECT = {*NEVER_SEARCHED, "training.patience", "training.metric", "training.min_delta"}
_WITHOUT_EFFECT -= {"model.seed"}


@dataclass(frozen=True)
class Options:
    """The sections of the parameters that decide what comes out."""

    model: ModelConfig
    training: TrainingConfig
    evaluation: EvaluationConfig
    baselines: BaselinesConfig
    backtest: BacktestConfig


@dataclass(frozen=True)
class Trial:
    """A strategy, or a baseline, in a window.

    Attributes:
        window: Where it is measured.
        strategy: Its name.
        path: File of the ranks of its targets.
        start_from: File of the model that it starts from, if it does.
        since: Window whose events that model is trained further on, if it is.
        keep: File of the model that comes out, if another trial starts from it.
    """

    window: Window
    strategy: str
    path: Path
    start_from: Path | None = None
    since: Window | None = None
    keep: Path | None = None

    def is_done(self) -> bool:
        """Whether all its files are there."""
        return self.path.exists() and (self.keep is None or self.keep.exists())

    def can_begin(self) -> bool:
        """Whether the model is there that it starts from."""
        return self.start_from is None or self.start_from.exists()

    def read(self) -> pd.DataFrame:
        """Returns a row a target: SessionId and rank; facts of the trial are in `attrs`."""
        return pd.read_parquet(self.path)


def plan_trials(
    folder: Path, events: ir.Table, windows: list[Window], options: Options
) -> dict[tuple[int, str], Trial]:
    """Lists what there is to do, by window and strategy, in an order in which it can be done.

    The name of a file sums up all that its content depends on, so that a trial with other events or
    options is another one.
    """
    common = [sum_up(events), *_comparable(options)]
    trials: dict[tuple[int, str], Trial] = {}
    for window in windows:
        for strategy in options.backtest.strategies:
            # before the first window, nothing has grown old yet: all three are the same
            own = strategy if window.number > 1 else "once"
            trials[window.number, strategy] = _plan(folder, own, windows, window, options, common)
        for name in options.backtest.baselines:
            with_options = [*common[:2], options.baselines.options.get(name, {})]
            path = _name(folder, name, [*with_options, *window.span, options.backtest.train_days])
            trials[window.number, name] = Trial(window, name, path)
    return trials


def _comparable(options: Options) -> list[Any]:
    """Options that decide ranks, those of the evaluation first."""
    sections = {"model": options.model, "training": options.training}
    fixed = {
        f"{section}.{name}": value
        for section, of in sections.items()
        for name, value in of.items()
        if f"{section}.{name}" not in _WITHOUT_EFFECT
    }
    return [options.evaluation.mode, fixed]


def _plan(
    folder: Path,
    strategy: str,
    windows: list[Window],
    window: Window,
    options: Options,
    common: list[Any],
) -> Trial:
    days, epochs = options.backtest.train_days, options.backtest.continue_epochs

    def model_after(number: int, way: str) -> Path:
        """File of the model that was trained before a window."""
        if number == 1:
            path = _name(folder, "once", [*common, *windows[0].span, days])
        else:
            spans = [window.span for window in windows[:number]]
            path = _name(folder, way, [*common, spans, days, epochs])
        return path.with_suffix(".pth")

    if strategy == "retrain":
        return Trial(window, strategy, _name(folder, strategy, [*common, *window.span, days]))
    if strategy == "continue":
        keep = model_after(window.number, strategy)
        start_from, since = model_after(window.number - 1, strategy), windows[window.number - 2]
        path = keep.with_suffix(".parquet")
        return Trial(window, strategy, path, start_from, since, keep if window.end else None)
    first = model_after(1, "once")
    if window.number == 1:
        return Trial(window, strategy, first.with_suffix(".parquet"), keep=first)
    path = _name(folder, strategy, [*common, *windows[0].span, days, *window.span])
    return Trial(window, strategy, path, start_from=first)


def _name(folder: Path, strategy: str, made_from: list[Any]) -> Path:
    text = json.dumps(made_from, sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    return folder / f"{strategy}-{digest}.parquet"
