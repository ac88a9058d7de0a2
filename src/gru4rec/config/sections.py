"""One model per section of the configuration file, with every constraint."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PositiveInt,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gru4rec import columns
from gru4rec.config.devices import DEVICE, as_name
from gru4rec.config.fields import (
    METRIC,
    Address,
    DropProbability,
    Fraction,
    Loss,
    MetricName,
    NonNegative,
    PointInTime,
    Positive,
    Size,
    TieMode,
    TimeFormats,
    TimeUnit,
    WhichTargets,
    is_date,
    to_list,
    to_words,
)
from gru4rec.config.mistakes import describe_mistakes
from gru4rec.errors import ConfigError, shown


class Section(BaseModel, Mapping[str, Any]):
    """Options that belong together; validated, frozen, and usable as a mapping."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, str_min_length=1)

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, value: object, info: ValidationInfo) -> object:
        # pydantic takes `true` for 1; in a configuration file it is a slip
        values = value if isinstance(value, list | tuple) else [value]
        if (
            any(isinstance(part, bool) for part in values)
            and cls.model_fields[str(info.field_name)].annotation is not bool
        ):
            raise ValueError("a number or text is expected, not a boolean")
        return value

    def __getitem__(self, key: str) -> Any:
        if key not in type(self).model_fields:
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:  # type: ignore[override]
        return iter(type(self).model_fields)

    def __len__(self) -> int:
        return len(type(self).model_fields)

    @classmethod
    def parse(cls, options: Mapping[str, Any], origin: str) -> Self:
        """Validates options, with every mistake in one report.

        Args:
            options: Option names and values.
            origin: Where they come from, for the message.

        Raises:
            ConfigError: Some option is unknown, of the wrong type or impossible.
        """
        if not isinstance(options, Mapping):
            raise ConfigError(f"{origin} is {shown(options)}; options by name are expected")
        try:
            return cls.model_validate(dict(options))
        except ValidationError as error:
            raise ConfigError(describe_mistakes(error, cls, origin)) from None


class ModelConfig(Section):
    """The network, its loss and how it is trained (CIKM 2018, sections 2-4)."""

    layers: Annotated[list[Size], Field(min_length=1)] = [100]
    loss: Loss = "cross-entropy"
    batch_size: Size = 64
    dropout_p_embed: DropProbability = 0.0
    dropout_p_hidden: DropProbability = 0.0
    learning_rate: Positive = 0.05
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    sample_alpha: float = 0.5
    n_sample: Annotated[int, Field(ge=0, lt=2**31)] = 2048
    embedding: Annotated[int, Field(ge=0, lt=2**31)] | Literal["layersize"] = 0
    constrained_embedding: bool = True
    n_epochs: PositiveInt = 10
    bpreg: NonNegative = 1.0
    elu_param: NonNegative = 0.5
    logq: NonNegative = 0.0
    device: str = "auto"
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 42
    precision: Literal["float32", "tf32", "bf16"] = "float32"

    @field_validator("device", mode="before")
    @classmethod
    def _name_of_device(cls, value: Any) -> Any:
        return as_name(value)

    @field_validator("device")
    @classmethod
    def _known_device(cls, value: str) -> str:
        if not re.fullmatch(DEVICE, value):
            raise ValueError("expected auto, cpu, mps, cuda or cuda:N")
        return value

    @model_validator(mode="after")
    def _something_to_contrast(self) -> Self:
        if self.n_sample == 0 and self.batch_size == 1:
            raise ValueError(
                "n_sample 0 with batch_size 1 leaves no negative item to learn from; raise either"
            )
        return self


class DataConfig(Section):
    """Names of the columns in the log.

    Attributes:
        session_key: Of sessions, or of users whose events `session_gap` cuts into sessions; None:
            all events are of one person.
        item_key: Of items.
        time_key: Of times.
    """

    session_key: str | None = columns.SESSION
    item_key: str = columns.ITEM
    time_key: str = columns.TIME

    @model_validator(mode="after")
    def _three_columns(self) -> Self:
        if len({self.session_key, self.item_key, self.time_key}) < len(self):
            raise ValueError("session_key, item_key and time_key must name three columns")
        return self


MANY_EQUAL_TIMES = 0.05  # a share of the events that deserves a warning

# as pandas, databases, JavaScript and people write nothing
MISSING_WORDS = (
    *("NULL", "Null", "null", "(null)", "<null>", "NIL", "nil", "undefined"),
    *("None", "NONE", "none", "(none)", "NA", "N/A", "n/a", "#N/A", "#NA", "<NA>"),
    *("NaN", "NAN", "nan", "-nan", "-NaN", "NaT", "\\N", "-", "--", "?"),
)


class LoadingConfig(Section):
    """How a raw log is read.

    Attributes:
        time_unit: Unit of the time column: seconds, milliseconds, microseconds or nanoseconds
            since 1970 (UTC), `timestamp` (a timestamp column, ISO 8601 text, or text in
            `time_format`), or `ordinal` (any growing number; no clock, so no split by days).
        time_format: Format of times that are text in another form than ISO 8601, in the notation
            of Python's `strptime` (`%d/%m/%Y %H:%M`), or several, of which the first that fits
            counts. Times without a zone are UTC.
        whole_seconds: Cut fractions of a second off.
        date_key: Column with the date (UTC) of an event, where the time column has none. With
            `timestamp`, that column has clock times (`10:51:09`). With other units it counts from
            the start of the session: time is then the earliest date of the session at 00:00 plus
            that count (diginetica), and `session_key` must name sessions, not users.
        date_format: Format of these dates, or several, like `time_format`; needless for ISO 8601.
        event_key: Column with the type of event; needed by `event_types`.
        event_types: Keep only events of these types; empty keeps all.
        filter_events: Apply `event_types` before or after the sessions are cut at gaps.
        session_gap: Seconds of inactivity after which a new session starts. `session_key` may
            then be a column of users. None leaves the sessions as they are.
        ties: Order of the events of a session that share their time: `file` is that of the log's
            rows (several files in the order of their names), `item` that of their item ids (the
            published recipes), and `refuse` refuses such a log.
        order_key: Column that orders such events: a position, an event number. What it leaves
            equal is ordered by `ties`.
        missing: Words that stand for nothing in columns of text, and numbers that do in others;
            blanks around them do not count, and blank text is missing, too.
        drop_missing: Drop rows without a session, item or time; False refuses a log with some.
    """

    time_unit: TimeUnit = "s"
    time_format: TimeFormats = []
    whole_seconds: bool = False
    date_key: str | None = None
    date_format: TimeFormats = []
    event_key: str | None = None
    event_types: Annotated[list[str], BeforeValidator(to_list)] = []
    filter_events: Literal["before", "after"] = "before"
    session_gap: Positive | None = None
    ties: Literal["file", "item", "refuse"] = "file"
    order_key: str | None = None
    missing: Annotated[list[str], BeforeValidator(to_words)] = list(MISSING_WORDS)
    drop_missing: bool = False

    @model_validator(mode="after")
    def _event_filter_is_whole(self) -> Self:
        if bool(self.event_types) != (self.event_key is not None):
            raise ValueError("event_key and event_types go together: set both or neither")
        return self

    @model_validator(mode="after")
    def _formats_are_of_text(self) -> Self:
        if self.time_format and self.time_unit != "timestamp":
            raise ValueError(
                f"time_format reads dates and times, but time_unit is {self.time_unit!r}; set "
                "time_unit: timestamp"
            )
        if self.date_format and self.date_key is None:
            raise ValueError("date_format is that of the column date_key; set it, too")
        return self

    @model_validator(mode="after")
    def _date_is_there_once(self) -> Self:
        if self.date_key is not None and self.time_unit == "ordinal":
            raise ValueError(
                "date_key is added to times in s, ms, us or ns, or to clock times (timestamp), but "
                "time_unit is 'ordinal'; change either"
            )
        whole = self.date_format if self.date_key is not None else self.time_format
        for text in whole:
            if not is_date(text):
                raise ValueError(
                    f"the format {text!r} lacks a year, month or day; a date has all three (or "
                    "set date_key, if another column has the date)"
                )
        for text in self.time_format if self.date_key is not None else []:
            if re.search("%[YymdjbB]", text) or not re.search("%[HI]", text):
                raise ValueError(
                    f"with date_key, time_format is that of clock times, such as '%H:%M:%S', not "
                    f"{text!r}"
                )
        return self


class SessionFilterConfig(Section):
    """Which sessions and items are kept.

    Attributes:
        drop_repeats: Drop an event on the same item as the event before it in its session (once,
            before the other filters).
        min_session_length: Shortest session kept, in events.
        min_item_support: Fewest events of an item that is kept.
        until_stable: Repeat both filters until nothing changes (2023 recipe); False filters
            sessions, items and sessions again, once each (rsc15 recipe).
    """

    drop_repeats: bool = True
    min_session_length: PositiveInt = 2
    min_item_support: PositiveInt = 5
    until_stable: bool = True


class DataSplitConfig(Section):
    """Where time is cut into training, validation and test.

    For the test part `test_from` wins over `test_days`, which wins over `test_fraction`; the same
    for validation. Sessions that start at or after the boundary are in the later part; events
    after the boundary never stay in the earlier one.

    Attributes:
        valid_fraction: Share of all sessions for validation: the newest before the test part.
        test_fraction: Share of all sessions for test: the newest by start.
        test_days: Test is the last so many days of the log.
        valid_days: Validation is the so many days before the test part.
        test_from: Test starts here: epoch seconds or a date and time (UTC).
        valid_from: Validation starts here.
        whole_sessions: Never cut a session: those whose *last* event is at or after the boundary
            go to the later part whole (rsc15 recipe).
        known_items_only: Drop events on items that the training part does not know from
            validation and test, then their sessions of one event (rsc15 recipe).
    """

    valid_fraction: Fraction = 0.1
    test_fraction: Fraction = 0.1
    test_days: Positive | None = None
    valid_days: Positive | None = None
    test_from: PointInTime | None = None
    valid_from: PointInTime | None = None
    whole_sessions: bool = False
    known_items_only: bool = False

    @property
    def has_test(self) -> bool:
        """Whether a test part is wanted."""
        return bool(self.test_from is not None or self.test_days or self.test_fraction)

    @property
    def has_valid(self) -> bool:
        """Whether a validation part is wanted."""
        return bool(self.valid_from is not None or self.valid_days or self.valid_fraction)

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.valid_fraction + self.test_fraction >= 1:
            raise ValueError("valid_fraction + test_fraction must leave something to train on")
        if self.test_from is not None and self.test_days is not None:
            raise ValueError("set test_from or test_days, not both")
        if self.valid_from is not None and self.valid_days is not None:
            raise ValueError("set valid_from or valid_days, not both")
        if (
            self.valid_from is not None
            and self.test_from is not None
            and self.valid_from >= self.test_from
        ):
            raise ValueError("valid_from must be before test_from")
        return self


class TrainingConfig(Section):
    """Arguments of `GRU4Rec.fit` that are not about the data.

    Attributes:
        sample_cache_max_size: Most negative draws kept in memory.
        compatibility_mode: Fresh weights equal those of the reference implementation.
        checkpoint_minutes: A checkpoint is written when so many minutes went by since the last
            one; None: never for that reason.
        checkpoint_epochs: A checkpoint is written after every so many epochs; None: never for
            that reason. The end of a training always leaves one.
        resume: Go on from the last checkpoint, if there is one.
        patience: The training stops after so many epochs without gain on the validation data, and
            the weights are those of the best epoch; None: never, and those of the last one.
        metric: What is to gain, such as mrr@20.
        min_delta: A gain is more than this.
        retire_after_days: A model that is trained further loses the items that the new data lacks
            and that had no event in so many days before its newest; None: it keeps all.
        learning_rate_decay: What the learning rate is multiplied by after each epoch of a training;
            1: it stays as it is.
    """

    sample_cache_max_size: PositiveInt = 10_000_000
    compatibility_mode: bool = True
    checkpoint_minutes: Positive | None = 10.0
    checkpoint_epochs: PositiveInt | None = None
    resume: bool = False
    patience: PositiveInt | None = None
    metric: Annotated[str, Field(pattern=METRIC)] = "mrr@20"
    min_delta: NonNegative = 0.0
    retire_after_days: PositiveInt | None = None
    learning_rate_decay: Annotated[float, Field(gt=0, le=1)] = 1.0


class EvaluationConfig(Section):
    """How models are measured.

    Attributes:
        cutoff: The k's of the metrics.
        batch_size: Sessions that a network reads in parallel.
        mode: How ties count.
        metrics: Which ones are measured: names in `gru4rec.evaluation.METRICS`.
        targets: Which events of a session are ranked: `all` but the first, the `first` of these,
            or the `last`.
        exclude_seen: Leave the items of the session so far out of the ranking, and with them the
            targets that are among them.
    """

    cutoff: Annotated[list[Size], Field(min_length=1)] = [20]
    batch_size: Size = 512
    mode: TieMode = "conservative"
    metrics: Annotated[list[MetricName], Field(min_length=1), BeforeValidator(to_list)] = [
        "recall",
        "mrr",
        "ndcg",
    ]
    targets: WhichTargets = "all"
    exclude_seen: bool = False

    @field_validator("metrics")
    @classmethod
    def _each_once(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise ValueError("each metric is named once")
        return names


class PathsConfig(Section):
    """Files of `save_model` and `load_model`; in the Kedro project the catalog owns the paths."""

    model_save: Address = "model.pth"
    model_load: Address = "model.pth"


class CommonSections(Section):
    """The sections that the library's file and the Kedro project's parameters share."""

    model: ModelConfig = ModelConfig()
    data: DataConfig = DataConfig()
    loading: LoadingConfig = LoadingConfig()
    session_filter: SessionFilterConfig = SessionFilterConfig()
    data_split: DataSplitConfig = DataSplitConfig()
    training: TrainingConfig = TrainingConfig()
    evaluation: EvaluationConfig = EvaluationConfig()


class Config(CommonSections):
    """The whole configuration file. A section that is left out has its defaults."""

    paths: PathsConfig = PathsConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_empty_sections(cls, sections: Any) -> Any:
        # a section whose options are all commented out has its defaults
        if not isinstance(sections, Mapping):
            return sections
        return {name: options for name, options in sections.items() if options is not None}
