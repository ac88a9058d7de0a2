"""How objects show themselves: a line of text, and in notebooks the same with tables."""

import html
import inspect
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from gru4rec.errors import shown


class Card(NamedTuple):
    """What an object says of itself.

    Attributes:
        title: What it is, and the options that make it.
        facts: Short ones, such as "12 items".
        table: More of it, for notebooks only; None: no more.
        options: All of them by name, for notebooks only, folded.
    """

    title: str
    facts: Iterable[str]
    table: pd.DataFrame | None = None
    options: Mapping[str, object] = {}

    def as_text(self) -> str:
        """Returns one line."""
        return f"<{self.title}: {'; '.join(self.facts)}>"

    def as_html(self) -> str:
        """Returns HTML without colours, which those of light and dark pages go with."""
        parts = [f"<div><strong>{html.escape(self.title)}</strong>"]
        parts += [f"<div>{html.escape('; '.join(self.facts))}</div>"]
        if self.table is not None:
            parts.append(_as_html(self.table))
        if self.options:
            options = pd.DataFrame({"option": list(self.options), "value": self.options.values()})
            table = _as_html(options.astype(str))
            parts.append(f"<details><summary>all options</summary>{table}</details>")
        return "".join([*parts, "</div>"])


class Shown:
    """Lets an object show itself by its card."""

    @abstractmethod
    def _card(self) -> Card:
        """What it says of itself; takes no longer than an answer of the object does."""

    def __repr__(self) -> str:
        return self._card().as_text()

    def _repr_html_(self) -> str:
        return self._card().as_html()


def call(made: type, options: Mapping[str, object]) -> str:
    """Writes a constructor with those of its options that are not the defaults."""
    parameters = inspect.signature(made).parameters
    told = [  # compared as they are shown: arrays have no one answer
        f"{name}={shown(value)}"
        for name, value in options.items()
        if shown(value) != shown(parameters[name].default)
    ]
    return f"{made.__name__}({', '.join(told)})"


def some(values: Iterable[Any], n_values: int, n_shown: int = 5) -> str:
    """Writes the first of some values, and that there are more."""
    first = [shown(value) for _, value in zip(range(n_shown), values, strict=False)]
    return ", ".join([*first, "…"] if n_values > n_shown else first)


def counted(n: int, one: str) -> str:
    """Writes a number of things."""
    return f"{n:,} {one}" if n == 1 else f"{n:,} {one}s"


def _as_html(table: pd.DataFrame) -> str:
    with pd.option_context("display.max_colwidth", None):
        return str(table.to_html(index=False, border=0, float_format=_as_number))


def _as_number(value: float) -> str:
    return f"{value:,.0f}" if value.is_integer() or abs(value) >= 1000 else f"{value:.4f}"
