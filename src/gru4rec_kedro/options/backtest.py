"""How a model that grows old is measured: the section `backtest`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from gru4rec.config import PointInTime, Section
from gru4rec.evaluation import check_metric
from gru4rec_kedro.options.baselines import refuse_unknown

Strategy = Literal["once", "retrain", "continue"]


class BacktestConfig(Section):
    """What the pipeline `backtest` measures: windows of time, one after the other.

    Attributes:
        n_windows: So many windows, up to `until`.
        window_days: Length of each.
        until: End of the last one: epoch seconds, or a date and time (UTC); None: the log's end.
        train_days: What is trained anew learns from the sessions of so many days before its
            window; None: from all before it.
        strategies: `once`: the model is trained before the first window, and stays. `retrain`: it
            is trained anew before each window. `continue`: that of the window before is trained
            further on the events since.
        continue_epochs: Epochs of each continuation; None: `model.n_epochs`.
        baselines: Names in `gru4rec.baselines.BASELINES`, learnt anew before each window.
        metric: A metric at a cutoff, for figures and sentences; tables have all.
    """

    n_windows: Annotated[int, Field(ge=2)] = 3
    window_days: PositiveFloat = 7.0
    until: PointInTime | None = None
    train_days: PositiveFloat | None = None
    strategies: list[Strategy] = Field(["once", "retrain", "continue"], min_length=1)
    continue_epochs: PositiveInt | None = None
    baselines: list[str] = Field(["popularity", "sknn"])
    metric: str = "mrr@20"

    @field_validator("strategies", "baselines")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("names one twice")
        return names

    @field_validator("baselines")
    @classmethod
    def _baselines_exist(cls, names: list[str]) -> list[str]:
        refuse_unknown(names)
        return names

    @field_validator("metric")
    @classmethod
    def _is_metric(cls, metric: str) -> str:
        check_metric(metric, "metric")
        return metric
