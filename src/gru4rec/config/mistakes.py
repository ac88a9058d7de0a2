"""What is wrong with options, in words."""

import difflib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError

from gru4rec.errors import ConfigError, shortened, shown

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

# more mistakes in one section are counted only
_MOST_LINES = 100


def describe_mistakes(error: ValidationError, section: type[BaseModel], origin: str) -> str:
    """Turns pydantic's report into a line per mistake, with the nearest name for a misspelt one."""
    mistakes = error.errors(include_url=False)
    lines = [f"{origin} has {len(mistakes)} mistake(s):"]
    lines += [f"  {_describe_mistake(mistake, section)}" for mistake in mistakes[:_MOST_LINES]]
    if len(mistakes) > _MOST_LINES:
        lines.append(f"  and {len(mistakes) - _MOST_LINES:,} more")
    return "\n".join(lines)


def _describe_mistake(mistake: "ErrorDetails", section: type[BaseModel]) -> str:
    where = shortened(".".join(str(part) for part in mistake["loc"]))
    if mistake["type"] == "extra_forbidden":
        names = _names_beside(section, mistake["loc"])
        close = difflib.get_close_matches(shortened(str(mistake["loc"][-1])), names, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
        return f"{where}: unknown option; {hint}"
    place = f"{where}: " if where else ""
    message = mistake["msg"].removeprefix("Value error, ")
    if mistake["type"] == "value_error":  # may hold what was given
        message = shortened(message)
    # a ConfigError says by itself what it got
    is_told = isinstance(mistake.get("ctx", {}).get("error"), ConfigError)
    is_told |= isinstance(mistake["input"], Mapping)
    got = "" if is_told else f" (got {shown(mistake['input'])})"
    return f"{place}{message}{got}"


def _names_beside(section: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    found: Any = section
    for part in location[:-1]:
        if hasattr(found, "model_fields"):
            found = found.model_fields[str(part)].annotation
        else:  # a mapping of names to sections, or to sections that may be None
            value = get_args(found)[1]
            found = next(iter(get_args(value)), value)
    return list(found.model_fields)
