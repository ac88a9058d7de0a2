"""All parameters of the project: what is not declared here is refused."""

import glob
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from gru4rec import ConfigError
from gru4rec.addresses import Location, locate, matching
from gru4rec.config import Address, CommonSections, Section, WritableAddress
from gru4rec.evaluation import METRICS, check_metric, check_metrics
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.options.search_space import TuningConfig


class ExperimentConfig(Section):
    """Which part of the log the model learns from, and which it is measured on.

    Attributes:
        train_on: `train_full` is everything before the test boundary (the published protocol);
            `train` stops at the validation boundary.
        evaluate_on: `test`, or `valid` while options are chosen.
        valid_each_epoch: Measure the metrics on `valid` after each epoch.
        continue_from: File of an earlier model, or the folder of its versions, to train further;
            None trains a new one.
        refit: Look for the best epoch on `train`, by `training.patience` on `valid`; the model is
            then trained on `train_full` for as many epochs, so that it has seen the newest events
            and nothing was chosen on `test`.
        example_sessions: Show five sessions of the measured part, without their ids, in the report.
    """

    train_on: Literal["train_full", "train"] = "train_full"
    evaluate_on: Literal["test", "valid"] = "test"
    valid_each_epoch: bool = False
    continue_from: Address | None = None
    refit: bool = False
    example_sessions: bool = True

    @property
    def earlier_model(self) -> Location | None:
        """File of the model to train further; of a folder of versions, the newest."""
        if self.continue_from is None:
            return None
        path = locate(self.continue_from, ConfigError)
        versions = matching(f"{glob.escape(str(path))}/*/{glob.escape(path.name)}", path)
        return versions[-1] if versions else path

    @model_validator(mode="after")
    def _no_leak(self) -> Self:
        if self.train_on == "train_full" and (self.evaluate_on == "valid" or self.valid_each_epoch):
            raise ValueError(
                "train_full contains the validation part, so measuring on it would flatter the "
                "model; set train_on to train"
            )
        if self.refit and (self.train_on != "train_full" or self.continue_from is not None):
            raise ValueError(
                "refit trains a new model on train_full: leave continue_from out, and train_on at "
                "train_full"
            )
        return self


class PublishedConfig(Section):
    """Results that others published for the same data and options; the report shows them.

    Attributes:
        source: Who published them, and where.
        recall: Recall by cutoff.
        mrr: MRR by cutoff.
        ndcg: NDCG by cutoff.
    """

    source: Annotated[str, Field(min_length=0)] = ""
    recall: dict[PositiveInt, float] = Field(default_factory=dict)
    mrr: dict[PositiveInt, float] = Field(default_factory=dict)
    ndcg: dict[PositiveInt, float] = Field(default_factory=dict)

    @property
    def by_metric(self) -> dict[str, dict[int, float]]:
        """What was published of each metric, by cutoff; metrics of which nothing was are absent."""
        return {name: self[name] for name in METRICS if self.get(name)}


class RecommendationConfig(Section):
    """What the pipeline `recommendation` answers, and how much the pipeline `vectors` does at once.

    Attributes:
        k: Items for each session.
        exclude_seen: Leave out the items of the session itself.
        sessions_per_part: Sessions of one output file, which are in memory together; of vectors
            also items.
    """

    k: PositiveInt = 20
    exclude_seen: bool = False
    sessions_per_part: PositiveInt = 20_000


class PromotionConfig(Section):
    """When the pipeline `promotion` puts a new model into service.

    Attributes:
        metric: A metric at a cutoff, on the newest days of the test part.
        tolerance: The new model may be worse by so much; more must be ruled out by the 95 %
            interval of the difference.
        days: Of the test part, only sessions that start in its last so many days; None: all.
    """

    metric: str = "mrr@20"
    tolerance: NonNegativeFloat = 0.01
    days: PositiveFloat | None = 1.0

    @field_validator("metric")
    @classmethod
    def _is_metric(cls, metric: str) -> str:
        check_metric(metric, "metric")
        return metric


WhenLocked = Literal["refuse", "wait"]


class Globals(Section):
    """What `globals.yml` sets; names of your own, for entries of the catalog, may stand beside.

    Attributes:
        outputs: Folder of everything that a run makes: a path, or an address such as
            `s3://bucket/run`.
        memory_limit: What DuckDB may use, such as `4GB`; None leaves it to DuckDB.
        when_locked: What a run does while another is at work in `outputs`: `refuse`, or `wait`.
    """

    outputs: WritableAddress = "data"
    memory_limit: str | None = None
    when_locked: WhenLocked = "refuse"


class Parameters(CommonSections):
    """The sections of `parameters.yml`, and what `--params` may add."""

    experiment: ExperimentConfig = ExperimentConfig()
    published: PublishedConfig = PublishedConfig()
    recommendation: RecommendationConfig = RecommendationConfig()
    baselines: BaselinesConfig = BaselinesConfig()
    tuning: TuningConfig = TuningConfig()
    backtest: BacktestConfig = BacktestConfig()
    promotion: PromotionConfig = PromotionConfig()
    # what --params may name: --params events=path
    events: Address | None = None  # the raw log
    delimiter: str | None = None  # of its text files, as the next three: see RawLogDataset
    column_names: str | list[str] | None = None
    skip_lines: NonNegativeInt | None = None
    comment: str | None = None
    prepared: Address | None = None  # a folder of parts for the pipeline prepared
    sessions: Address | None = None  # of the pipelines recommendation and vectors
    candidates: Address | None = None  # the only items that it recommends
    titles: Address | None = None  # of items, for reports and recommendations
    # --params outputs=… and when_locked=wait, in place of what globals.yml says
    outputs: WritableAddress | None = None
    when_locked: WhenLocked | None = None

    @model_validator(mode="after")
    def _metrics_exist(self) -> Self:
        check_metrics(self.evaluation.metrics, "evaluation.metrics")
        check_metric(self.training.metric, "training.metric")
        return self

    @model_validator(mode="after")
    def _measured_parts_exist(self) -> Self:
        split, experiment = self.data_split, self.experiment
        if experiment.evaluate_on == "test" and not split.has_test:
            raise ValueError("evaluate_on is test, but data_split leaves no test part")
        if self.training.retire_after_days and self.loading.time_unit == "ordinal":
            raise ValueError("training.retire_after_days needs days, but time_unit is ordinal")
        stops_early = self.training.patience is not None
        uses_valid = experiment.evaluate_on == "valid" or experiment.valid_each_epoch or stops_early
        if uses_valid and not split.has_valid:
            raise ValueError(
                "experiment or training.patience uses valid, but data_split leaves no validation "
                "part"
            )
        if stops_early and experiment.train_on == "train_full" and not experiment.refit:
            raise ValueError(
                "training.patience looks for the best epoch on valid, which train_full contains: "
                "set experiment.train_on to train, or experiment.refit to true"
            )
        if experiment.refit and not stops_early:
            raise ValueError("experiment.refit needs training.patience, which finds the best epoch")
        return self
