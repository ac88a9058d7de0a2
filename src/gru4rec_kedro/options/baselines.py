"""Which baselines are measured, with which options: the section `baselines`."""

import difflib
import inspect
from collections.abc import Iterable
from typing import Any

from pydantic import Field, create_model, field_validator

from gru4rec import ConfigError
from gru4rec.baselines import BASELINES, Baseline
from gru4rec.config import Section


class BaselinesConfig(Section):
    """What the pipeline `baselines` measures.

    Attributes:
        models: Names in `gru4rec.baselines.BASELINES`, each once; None: all.
        options: Arguments of their classes by name of the baseline, such as `{sknn: {k: 200}}`;
            what is not given has its default.
    """

    models: list[str] | None = Field(default=None, min_length=1)
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @field_validator("models")
    @classmethod
    def _each_once(cls, names: list[str] | None) -> list[str] | None:
        refuse_unknown(names or ())
        if names and len(set(names)) < len(names):
            raise ValueError("names a baseline twice")
        return names

    @field_validator("options")
    @classmethod
    def _can_be_made(cls, options: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        refuse_unknown(options)
        return {name: _checked(name, given) for name, given in options.items()}

    @property
    def names(self) -> list[str]:
        """The baselines to measure."""
        return list(BASELINES) if self.models is None else self.models

    def make(self, name: str) -> Baseline:
        """Makes a baseline with its options."""
        return BASELINES[name](**self.options.get(name, {}))


def refuse_unknown(names: Iterable[str]) -> None:
    """Refuses names that are not in `gru4rec.baselines.BASELINES`."""
    for name in names:
        if name not in BASELINES:
            close = difflib.get_close_matches(name, list(BASELINES), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(BASELINES)}"
            raise ValueError(f"there is no baseline {name!r}; {hint}")


def _checked(name: str, options: dict[str, Any]) -> dict[str, Any]:
    """Options of a baseline as its class expects them.

    Raises:
        ConfigError: Some do not exist, or not with such values.
    """
    section = _section_of(BASELINES[name])
    if options and not section.model_fields:
        raise ConfigError(f"{name} has no options")
    try:
        checked = section.parse(options, origin=name).model_dump(exclude_unset=True)
        BASELINES[name](**checked)  # it knows the bounds
    except ConfigError as error:
        heading, *mistakes = str(error).split("\n")
        told = "; ".join(mistake.strip() for mistake in mistakes) or heading
        raise ConfigError(f"{name}: {told}") from None
    return checked


def _section_of(baseline: type[Baseline]) -> type[Section]:
    """A section with the arguments of a class as its options."""
    arguments = inspect.signature(baseline, eval_str=True).parameters.values()
    fields: Any = {of.name: (of.annotation, of.default) for of in arguments}
    return create_model(baseline.__name__, __base__=Section, **fields)
