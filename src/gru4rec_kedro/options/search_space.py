"""Which options a tuning may change, and how: the sections `tuning` and `tuning.search`."""

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import (
    Field,
    PositiveInt,
    ValidationInfo,
    field_validator,
    model_validator,
)

from gru4rec import ConfigError, ModelConfig, TrainingConfig
from gru4rec.config import Section
from gru4rec.evaluation import check_metric

_SECTIONS: dict[str, type[Section]] = {"model": ModelConfig, "training": TrainingConfig}
# they change where and how luckily a model is trained, not how good its options are
NEVER_SEARCHED = {
    "model.seed",
    "model.device",
    "training.checkpoint_minutes",
    "training.checkpoint_epochs",
    "training.resume",
}

Number = Annotated[float, Field(strict=True)]  # true and "1" are slips


class SearchedOption(Section):
    """The values that one option may take: a range, or a list of choices.

    Attributes:
        low: Smallest value.
        high: Largest value.
        step: Distance of neighbouring values; None: 1 for integers, any value for others.
        log: Search evenly on a logarithmic scale; no step counts then.
        choices: Instead of a range, all values; no range counts then.
    """

    low: Number | None = None
    high: Number | None = None
    step: Annotated[Number, Field(gt=0)] | None = None
    log: bool = False
    choices: list[Any] | None = None

    @field_validator("low", "high", "step", mode="before")
    @classmethod
    def _refuse_booleans_as_numbers(cls, value: object, info: ValidationInfo) -> object:  # noqa: ARG003
        return value  # in place of the section's: numbers are strict, and choices may be booleans

    @model_validator(mode="before")
    @classmethod
    def _drop_what_does_not_count(cls, given: Any) -> Any:
        # an environment changes single values, so what it replaces is still there beside them
        if isinstance(given, Mapping) and given.get("choices") is not None:
            return {"choices": given["choices"]}
        if isinstance(given, Mapping) and given.get("log") is True:
            return {name: value for name, value in given.items() if name != "step"}
        return given

    @model_validator(mode="after")
    def _range_or_choices(self) -> Self:
        if self.choices is not None:
            if not self.choices:
                raise ValueError("choices is a list of at least one value")
            return self
        if self.low is None or self.high is None or self.low > self.high:
            raise ValueError("low and high, with low <= high, or choices are expected")
        if self.log and self.low <= 0:
            raise ValueError("log needs low > 0")
        if self.step is not None:
            steps = (self.high - self.low) / self.step
            if abs(steps - round(steps)) > 1e-6:
                raise ValueError(f"step {self.step} does not lead from {self.low} to {self.high}")
        return self

    @property
    def ends(self) -> list[Any]:
        """Values that must be possible for all others to be."""
        return self.choices if self.choices is not None else [self.low, self.high]


class SearchConfig(Section):
    """Searched options by section and name; null takes one out that `conf/base` searches."""

    model: dict[str, SearchedOption | None] = Field(default_factory=dict)
    training: dict[str, SearchedOption | None] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _options_exist_and_may_be_so(self) -> Self:
        mistakes = [
            mistake
            for name, searched in self.options.items()
            if (mistake := _find_mistake(name, searched))
        ]
        if mistakes:
            raise ValueError("; ".join(mistakes))
        return self

    @property
    def options(self) -> dict[str, SearchedOption]:
        """Searched options by full name, such as `model.layers`."""
        return {
            f"{section}.{name}": searched
            for section in _SECTIONS
            for name, searched in self[section].items()
            if searched is not None
        }


class TuningConfig(Section):
    """What the pipeline `tuning` searches for, where, and for how long.

    Attributes:
        metric: A metric at a cutoff, on validation, such as `mrr@20`; it is maximised.
        n_trials: Trials in all, over all processes and restarts.
        timeout_minutes: Begin no further trial in this process after so many minutes.
        n_startup_trials: So many trials are drawn at random, and none is pruned, before the
            search learns from what it has seen.
        prune: Stop trials whose validation curve is below the median of the others.
        repeats: Further seeds that the starting point and the best options are trained with.
        study: Name of the study in the store; a fingerprint of data and options is added.
        search: The search space.
    """

    metric: str = "mrr@20"
    n_trials: PositiveInt = 100
    timeout_minutes: Annotated[float, Field(gt=0)] | None = None
    n_startup_trials: PositiveInt = 10
    prune: bool = True
    repeats: PositiveInt = 3
    study: str = "gru4rec"
    search: SearchConfig = SearchConfig()

    @field_validator("metric")
    @classmethod
    def _is_metric(cls, metric: str) -> str:
        check_metric(metric, "metric")
        return metric

    @property
    def measured(self) -> dict[str, Any]:
        """What `GRU4Rec.fit` measures, for the metric alone."""
        name, k = check_metric(self.metric, "tuning.metric")
        return {"valid_metrics": [name], "valid_cutoff": k}


def is_integer(name: str) -> bool:
    """Whether the values of an option are integers, such as `model.layers`: units of one layer."""
    section, _, option = name.partition(".")
    return _SECTIONS[section].model_fields[option].annotation is not float


def as_option(name: str, value: Any) -> Any:
    """Turns a searched value into that of the option: a number of units becomes a layer."""
    if isinstance(value, float):
        value = float(f"{value:.10g}")  # 0.3, not 0.1 + 0.2
        if is_integer(name) and value.is_integer():
            value = int(value)
    return [value] if name == "model.layers" and isinstance(value, int) else value


def with_options(section: str, options: Mapping[str, Any], found: Mapping[str, Any]) -> Any:
    """Returns a section with the searched values in place of its own, validated."""
    own = {
        name.partition(".")[2]: value
        for name, value in found.items()
        if name.partition(".")[0] == section
    }
    return _SECTIONS[section].parse({**options, **own}, origin=f"trial of {section}")


def comparable(sections: Mapping[str, Section], tuning: TuningConfig) -> list[Any]:
    """Returns what beside the data makes trials comparable: metric, space, options that stay fixed.

    Args:
        sections: `model` and `training`.
        tuning: What is searched.
    """
    searched = tuning.search.options
    fixed = {
        f"{section}.{name}": value
        for section, options in sections.items()
        for name, value in options.items()
        if f"{section}.{name}" not in {*searched, *NEVER_SEARCHED - {"model.seed"}}
    }
    space = {name: option.model_dump() for name, option in sorted(searched.items())}
    return [tuning.metric, space, fixed]


def _find_mistake(name: str, searched: SearchedOption) -> str | None:
    section, _, option = name.partition(".")
    known = _SECTIONS[section].model_fields
    if option not in known:
        close = difflib.get_close_matches(option, list(known), n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
        return f"{name}: unknown option; {hint}"
    if name in NEVER_SEARCHED:
        return f"{name}: is never searched"
    for value in searched.ends:
        try:
            _SECTIONS[section].parse({option: as_option(name, value)}, origin=name)
        except ConfigError as error:
            return " ".join(str(error).split("\n")[1:]).strip()
    return None
