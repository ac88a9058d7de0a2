"""What would read a time column that cannot be read as it was said to be."""

import re
from collections.abc import Sequence
from typing import cast

import ibis.expr.types as ir

from gru4rec.config import LoadingConfig
from gru4rec.preparation.engine.functions import engine_of, read_number
from gru4rec.preparation.formats import DAY_FORMAT, read_formats, read_iso
from gru4rec.preparation.plausibility import find_unit
from gru4rec.preparation.queries import fetch_row

_DATE_BEFORE = f"{DAY_FORMAT} "  # join_date sets it before clock times
_SECTION = "in the section 'loading'"
_MONTHS = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_FULL_MONTHS = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
)
_DAYS, _FULL_DAYS = "sun|mon|tue|wed|thu|fri|sat", "(sun|mon|tues|wednes|thurs|fri|satur)day"
_TOKEN = re.compile(
    r"(?P<clock>(?<!\d)\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?)"
    r"|(?P<offset>(?:(?<= )|(?<=:\d\d)|(?<=T\d{6})|(?<=[.,]\d{3})|(?<=[.,]\d{6}))"
    r"[+-]\d\d:?\d\d(?![:\d]))"
    r"|(?P<zone>\b[A-Z]\w+/[A-Z][\w/+-]+)"
    r"|(?P<number>\d+)"
    r"|(?P<word>[^\W\d_]+)"
    r"|(?P<other>.)",
    re.DOTALL,
)
_REAL = r"[+-]?\d*\.\d*([eE][+-]?\d+)?"
# by their number of digits
_NUMBERS = {4: "%Y", 6: "%H%M%S", 8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def propose_formats(text: str) -> list[str]:
    """Says which formats a text may have: none, or several where day and month may be either.

    >>> propose_formats("11/10/2019 10:00 PM")
    ['%d/%m/%Y %I:%M %p', '%m/%d/%Y %I:%M %p']
    >>> propose_formats("20191001T100000Z")
    ['%Y%m%dT%H%M%SZ']
    """
    # a.m. is in no format, and is no literal; 1.5e+12 is a number
    if re.search(r"(?i)\b[ap]\.\s?m\b", text) or re.fullmatch(_REAL, text):
        return []
    found = [(str(match.lastgroup), match[0]) for match in _TOKEN.finditer(text)]
    is_half_day = any(re.fullmatch("(?i)[ap]m", part) for _, part in found)
    # None for a number of one or two digits, which may be a day, a month, a year or of the clock
    parts = [_name(kind, part, is_half_day) for kind, part in found]
    if "%Y%m%d" in parts:
        parts = ["%H%M" if part == "%Y" else part for part in parts]
    known = [part for part in parts if part is not None]
    has_clock = any(part.startswith(("%H:", "%I:")) for part in known)
    first = next((p for (kind, _), p in zip(found, parts, strict=True) if kind == "number"), None)
    proposals = []
    for date in _orders(known, first, parts.count(None), has_clock):
        n_left = parts.count(None) - len(date)
        if n_left in ([0] if has_clock else [0, 2, 3]):
            names = iter([*date, *["%I" if is_half_day else "%H", "%M", "%S"][:n_left]])
            proposals.append("".join(next(names) if part is None else part for part in parts))
    return proposals


def _name(kind: str, part: str, is_half_day: bool) -> str | None:
    if kind == "clock":
        seconds = ":%S" if part.count(":") == 2 else ""
        fraction = re.search("[.,]", part)
        return (
            f"{'%I' if is_half_day else '%H'}:%M{seconds}{fraction[0] + '%f' if fraction else ''}"
        )
    if kind == "number":
        return None if len(part) < 3 else _NUMBERS.get(len(part), part)
    if kind == "word":
        return _name_word(part)
    return {"offset": "%z", "zone": "%Z"}.get(kind, part.replace("%", "%%"))


def _name_word(word: str) -> str:
    low = word.lower()
    names = {"%p": "am|pm", "%b": _MONTHS, "%B": _FULL_MONTHS, "%a": _DAYS, "%A": _FULL_DAYS}
    known = next((part for part, words in names.items() if re.fullmatch(words, low)), word)
    # a zone that is not read as one would be read past, hours off
    return "%Z" if known == word and re.fullmatch("[A-Z]{2,5}", word) else known


def _orders(
    known: Sequence[str], first: str | None, n_open: int, has_clock: bool
) -> list[list[str]]:
    """What the first numbers of one or two digits may be: orders of day, month and year."""
    if any(part.startswith("%Y%m%d") for part in known):
        return [[]]
    if "%b" in known or "%B" in known:
        return [["%d"]] if "%Y" in known else [["%d", "%y"]]
    if "%Y" in known:
        return [["%m", "%d"]] if first == "%Y" else [["%d", "%m"], ["%m", "%d"]]
    if n_open >= 3:
        return [["%d", "%m", "%y"], ["%m", "%d", "%y"], ["%y", "%m", "%d"]]
    return [[]] if has_clock else []


def advise_for_text(text: ir.StringColumn, loading: LoadingConfig, *, all_times: bool) -> str:
    """Finds the options that would read text, in words.

    Args:
        text: The times that are not what `loading` says; others null.
        loading: The options now.
        all_times: Whether the log has no others.
    """
    text = _values(text)
    counts = fetch_row(text.as_table().aggregate(n=text.count(), iso=read_iso(text).count()))
    reads_iso = loading.time_unit == "timestamp" and not loading.time_format
    all_iso = counts["iso"] == counts["n"] and not reads_iso
    if all_iso and all_times and loading.time_format:
        return f"leave time_format out {_SECTION}: these times are ISO 8601, read without it"
    advice = advise_format(text, loading, all_times=all_times)
    if advice and (loading.time_format or not all_iso):
        return advice
    unit, fitting = find_unit(cast(ir.NumericColumn, read_number(text)))
    is_number = unit not in (None, loading.time_unit)
    if not all_times and (all_iso or is_number):
        return "the log mixes kinds of times: bring them to one before they are loaded"
    if all_iso or is_number:
        return f"set time_unit: {'timestamp' if all_iso else f'{unit} ({fitting})'} {_SECTION}"
    now = f"time_unit (now {loading.time_unit!r})"
    return f"check {now} and time_format {_SECTION}, or mend these rows"


def advise_for_numbers(column: ir.Column, loading: LoadingConfig) -> str:
    """Finds the options that would read a column of numbers, in words."""
    text = cast(ir.StringColumn, column.cast("string"))
    if advice := advise_format(text, loading, at_least=0.9):
        return advice
    unit, fitting = find_unit(cast(ir.NumericColumn, column.cast("float64")))
    return f"set time_unit: {unit or 'ordinal'} {_SECTION} ({fitting})"


def advise_format(
    text: ir.StringColumn,
    loading: LoadingConfig,
    *,
    option: str = "time_format",
    at_least: float = 0.0,
    all_times: bool = True,
) -> str | None:
    """Finds the format of text, in words; None without one.

    Args:
        text: Times, or dates, of which nulls do not count.
        loading: The options now.
        option: Name of the option to advise.
        at_least: Share of the values that the format must read.
        all_times: Whether the log has no others, besides the nulls.
    """
    if engine_of(text) != "duckdb":
        return None
    values = _values(text)
    before = _DATE_BEFORE if loading.date_key is not None else ""
    found, n = _count_read(values, before)
    most = max(found.values(), default=0)
    if most == 0 and any("%Z" in layout for layout in found):
        return (
            "the zone is not known by this name; write an offset (+01:00) or the name of a region "
            "(Europe/Berlin) instead"
        )
    if most == 0 or most < at_least * n:
        return None
    first, *others = [layout for layout, count in found.items() if count == most]
    best = [first, *(layout for layout in others if _differ(values, first, layout))]
    named = " or ".join(repr(layout.removeprefix(before)) for layout in best)
    reads = "" if most == n else f" (it reads {most:,} of these {n:,})"
    ambiguous = (
        "; nothing tells the day from the month here, so you must know which it is"
        if len(best) > 1
        else ""
    )
    if loading.time_format:
        return f"add {named} to {option}, which takes a list, {_SECTION}{reads}{ambiguous}"
    further = "; it takes a list, and nothing else is read then, so list the others' formats, too"
    has_date = before or re.search("%[yY]", first)
    date = "" if has_date else "date_key to the column of dates (these are times of a day), and "
    unit = "" if loading.time_unit == "timestamp" else "time_unit: timestamp and "
    return (
        f"set {date}{unit}{option}: {named} {_SECTION}{reads}{ambiguous}"
        f"{'' if all_times and most == n else further}"
    )


def _count_read(values: ir.StringColumn, before: str) -> tuple[dict[str, int], int]:
    """Counts what each format reads that the least or the greatest value may have; and values."""
    table = values.as_table()
    ends = fetch_row(table.aggregate(least=values.min(), greatest=values.max()))
    proposals = [layout for end in ends.values() for layout in propose_formats(str(end))]
    # at least something must be read, besides the date that was set before
    layouts = [layout for layout in dict.fromkeys(proposals) if "%" in layout.removeprefix(before)]
    counts = {layout: read_formats(values, [layout]).count() for layout in layouts}
    found = fetch_row(table.aggregate(_n=values.count(), **counts))
    n = found.pop("_n")
    return found, n


def _differ(text: ir.StringColumn, one: str, other: str) -> bool:
    differ = read_formats(text, [one]) != read_formats(text, [other])
    return bool(differ.any().to_pyarrow().as_py())


def _values(text: ir.StringColumn) -> ir.StringColumn:
    """The same column, of a table that has it alone."""
    return cast(ir.StringColumn, text.name("text").as_table()["text"])
