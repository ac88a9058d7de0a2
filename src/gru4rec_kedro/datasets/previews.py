"""What kedro-viz shows of a dataset: little, rounded, and nothing of what is not made yet."""

import functools
import json
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

_DIGITS = 4
_MOST_COLUMNS = 12


def small(preview: Callable[..., Any]) -> Callable[..., Any]:
    """Decorates a method `preview`: rounds numbers, leaves columns out of a wide table.

    Where the dataset has no data yet it returns None, of which kedro-viz makes no warning.
    """

    @functools.wraps(preview)
    def shown(self: Any, *arguments: Any, **options: Any) -> Any:
        if not self.exists():
            return None
        found = preview(self, *arguments, **options)
        if isinstance(found, dict) and {"columns", "data"} <= found.keys():
            return _cut(found)
        return json.dumps(_rounded(json.loads(found))) if _is_json(found) else found

    return shown


def json_table(frame: pd.DataFrame) -> dict[str, Any]:
    """Turns a small frame into what kedro-viz shows as a table."""
    # kedro-viz sends it as JSON: no timestamps, no NumPy numbers
    return frame.astype(object).map(_json_value).to_dict(orient="split")


def _json_value(value: object) -> object:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _cut(table: dict[str, Any]) -> dict[str, Any]:
    rows = _rounded(table["data"])
    n_more = len(table["columns"]) - _MOST_COLUMNS
    if n_more <= 0:
        return {**table, "data": rows}
    columns = [*table["columns"][:_MOST_COLUMNS], f"… and {n_more} more"]
    return {**table, "columns": columns, "data": [[*row[:_MOST_COLUMNS], "…"] for row in rows]}


def _is_json(found: Any) -> bool:
    return isinstance(found, str) and found[:1] in {"{", "["}


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):  # which JSON has no number for
            return ""
        return round(value, _DIGITS) if abs(value) > 1 else float(f"{value:.{_DIGITS}g}")
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    if isinstance(value, dict):
        return {name: _rounded(inner) for name, inner in value.items()}
    return value
