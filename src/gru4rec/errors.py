"""What can go wrong, as a small tree: catch `GRU4RecError` to catch all of it."""

import reprlib
import sys
from pathlib import Path
from typing import Self

_LONGEST = 200


def shown(value: object) -> str:
    """Says what a value is, for a message: as `repr` does, but shortened, whatever it holds."""
    short = reprlib.Repr()
    short.maxlevel = 2
    short.maxstring = short.maxother = short.maxlong = _LONGEST
    try:
        return shortened(short.repr(value))
    except Exception:  # e.g. Python writes no integer of more than 4,300 digits
        return f"a value of type {type(value).__name__}"


def shortened(text: str) -> str:
    """Cuts what is long out of the middle of a text, for a message."""
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} … {text[-half:]}"


class GRU4RecError(Exception):
    """Base of every error that this package raises on purpose."""


class ConfigError(GRU4RecError, ValueError):
    """An option is unknown, of the wrong type or impossible; the message lists all mistakes."""


class DataError(GRU4RecError, ValueError):
    """A log, a data frame or a split cannot be used as it is."""


class MissingLogError(DataError):
    """No raw log is where it is expected."""


class MissingExtraError(GRU4RecError, ImportError):
    """Packages of an optional extra are not installed."""

    @classmethod
    def of(cls, extra: str, purpose: str, error: ImportError) -> Self:
        """Says how to install an extra.

        Args:
            extra: Its name.
            purpose: What needs it.
            error: What importing it raised.
        """
        # that of the project's own environment, which need not be active
        pip = ".venv/bin/pip" if Path(sys.prefix).name == ".venv" else "pip"
        return cls(
            f"{purpose} needs packages that are not installed ({error}); install the extra "
            f"{extra}: {pip} install -e '.[{extra}]' in the project's folder"
        )


class ModelFileError(GRU4RecError):
    """A model file is missing, damaged, of another version, or not a model of ours."""


class NotFittedError(GRU4RecError):
    """The model has no weights yet: fit it or load it first."""


class OutOfMemoryError(GRU4RecError, MemoryError):
    """Memory does not suffice, or would not; the message says for what, and which options do it."""


class TrainingDivergedError(GRU4RecError):
    """The loss or a weight is no longer a finite number."""


class DatabricksError(GRU4RecError):
    """No way to reach Databricks, or the table cannot be read."""


class SparkError(GRU4RecError):
    """Spark cannot be started, or a query there failed."""
