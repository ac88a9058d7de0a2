"""Types of options: what pydantic checks and turns into them."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from gru4rec.addresses import check_local, locate, locate_writable
from gru4rec.errors import ConfigError

Loss = Literal["cross-entropy", "bpr-max"]
TieMode = Literal["conservative", "standard", "median"]
WhichTargets = Literal["all", "first", "last"]
TimeUnit = Literal["s", "ms", "us", "ns", "timestamp", "ordinal"]

# names of metrics, and a name with its cutoff
MetricName = Annotated[str, Field(pattern=r"^[a-z0-9_]+$")]
METRIC = r"^[a-z0-9_]+@[1-9]\d{0,8}$"

# parts of a time format, as in Python's strptime
_FORMAT_PARTS = "YymdjbBaAHIpMSfzZ%"

Fraction = Annotated[float, Field(ge=0, lt=1)]
DropProbability = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
# tables of more rows or columns fit into no machine
Size = Annotated[int, Field(gt=0, lt=2**31)]


def _to_epoch_seconds(value: object) -> object:
    """Reads a point in time: a number is epoch seconds; text and dates are UTC unless they say."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            value = datetime.fromisoformat(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    return value


def to_list(value: object) -> object:
    """Takes a lone name for a list of one."""
    return [value] if isinstance(value, str) else value


def to_words(value: object) -> object:
    """Takes numbers for the words that they are written as."""
    value = to_list(value)
    if not isinstance(value, list | tuple):
        return value
    return [str(word) if isinstance(word, int) else word for word in value]


def _local(path: str) -> str:
    check_local(path, ConfigError, "give a folder here")
    return path


def _located(path: str) -> str:
    locate(path, ConfigError)
    return path


LocalPath = Annotated[str, AfterValidator(_local)]


def _writable(path: str) -> str:
    locate_writable(path, ConfigError)
    return path


# a path, or an address such as s3://bucket/folder
Address = Annotated[str, AfterValidator(_located)]
# one that files can be written below
WritableAddress = Annotated[str, AfterValidator(_writable)]


def _check_formats(formats: list[str]) -> list[str]:
    """Checks each format for parts that every reader of dates understands."""
    for text in formats:
        parts = re.findall("%(.?)", text)
        unknown = [f"%{part}" for part in parts if part not in _FORMAT_PARTS or not part]
        if unknown:
            known = " ".join(f"%{part}" for part in _FORMAT_PARTS)
            raise ValueError(f"{text!r} has {', '.join(unknown)}; known are {known}")
        if ("I" in parts) != ("p" in parts):
            raise ValueError(f"{text!r}: %I (hour of 12) and %p (AM or PM) go together")
    return formats


def is_date(text: str) -> bool:
    """Tells whether a format has a year and a day."""
    has_day = "%j" in text or (re.search("%[bBm]", text) and "%d" in text)
    return bool(re.search("%[yY]", text) and has_day)


TimeFormats = Annotated[
    list[str],
    BeforeValidator(lambda value: [] if value is None else to_list(value)),
    AfterValidator(_check_formats),
]
PointInTime = Annotated[float, BeforeValidator(_to_epoch_seconds)]
