"""What every column of a raw log can do: measure, check and read itself."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import ibis.expr.types as ir

from gru4rec.preparation.missing import is_missing, without_words

Facts = Mapping[str, Mapping[str, Any]]  # what was measured of each column, by its name


@dataclass(frozen=True)
class RawColumn(ABC):
    """A column of a raw log that must have a value in each row.

    It is measured first, together with the others in one pass over the log; then it is checked,
    with further queries where something is wrong; and read, which builds an expression only.

    Attributes:
        name: What the column is called in the rows that it is read from.
        key: What the user calls it.
        words: Values that stand for nothing in it, see `is_missing`.
    """

    name: str
    key: str
    words: Collection[str]

    def is_missing(self, rows: ir.Table) -> ir.BooleanColumn:
        """True where there is no value."""
        return is_missing(rows[self.name], self.words)

    def present(self, rows: ir.Table) -> ir.Column:
        """The raw values, null where there is none."""
        return without_words(rows[self.name], self.words)

    @abstractmethod
    def measure(self, rows: ir.Table) -> dict[str, ir.Scalar]:
        """Says what must be known before the column can be checked and read.

        Raises:
            DataError: The column is of a wrong kind.
        """

    @abstractmethod
    def check(self, rows: ir.Table, facts: Facts) -> None:
        """Checks what was measured, and tells what is odd.

        Args:
            rows: The raw values; none is missing.
            facts: Of all columns, as measured.

        Raises:
            DataError: Some values cannot be read.
        """

    @abstractmethod
    def read(self, rows: ir.Table, facts: Facts) -> dict[str, ir.Column]:
        """Reads the column, after `check`.

        Args:
            rows: The raw values; none is missing.
            facts: Of all columns, as measured.

        Returns:
            Columns of the events, by name.
        """
