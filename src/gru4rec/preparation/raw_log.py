"""A raw log and the columns that are read of it."""

import logging
from dataclasses import dataclass
from typing import cast

import ibis
import ibis.expr.types as ir

from gru4rec.columns import ITEM, PLACE, SESSION, TIME
from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import ConfigError, DataError
from gru4rec.frames.events import refuse_missing, refuse_no_rows, require_columns
from gru4rec.preparation.blanks import without_blanks
from gru4rec.preparation.dates import DATE, join_date
from gru4rec.preparation.first_reading import fetch_facts
from gru4rec.preparation.identifiers import IdColumn, as_written
from gru4rec.preparation.named_columns import name_columns, use_own_place, used_names
from gru4rec.preparation.ordering import ROW, has_order, with_rows
from gru4rec.preparation.queries import count_rows, fetch_row
from gru4rec.preparation.raw_columns import Facts, RawColumn

KEPT = "_kept"

_ADVICE = (
    "mend these rows, or drop them, which drop_missing: true of the section 'loading' does; where "
    "a word that stands for nothing is an id, leave it out of the list 'missing' there"
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Measured:
    """What one pass over a raw log finds.

    Attributes:
        rows: Their number.
        kept: Those of the types that count.
        lacking: Rows in which a value is missing.
        left: Rows of the types that count in which none is.
        missing: Missing values by the user's name of the column.
        columns: What each column measured of itself.
    """

    rows: int
    kept: int
    lacking: int
    left: int
    missing: dict[str, int]
    columns: Facts


class RawLog:
    """A raw log whose columns are there.

    Args:
        log: The raw log.
        data: Names of its columns.
        loading: How it is read.

    Attributes:
        loading: With the order that a log of this library has by itself.
        columns: Those that must have a value in every row.
        ordered: Whether the rows have an order.

    Raises:
        DataError: A column is missing.
        ConfigError: Nothing says what a session is.
    """

    def __init__(self, log: ir.Table, data: DataConfig, loading: LoadingConfig) -> None:
        self._log = log
        self.loading = use_own_place(log.columns, loading)
        self.columns = name_columns(data, self.loading)
        self.ordered = has_order(log)
        require_columns(log.columns, used_names(data, self.loading), "The log")
        if data.session_key is None and loading.session_gap is None:
            raise ConfigError(
                "session_key of the section 'data' is null, so all events are of one person: set "
                "session_gap of the section 'loading', which cuts them into sessions, or name the "
                "column of sessions or users"
            )

    def rows(self, numbered: bool = False) -> ir.Table:
        """The rows from which sessions form, with the raw columns under their names, and `KEPT`.

        Args:
            numbered: Number them as `ROW`; only for a log that is `ordered`.
        """
        rows, loading = self._all_rows(numbered), self.loading
        if loading.date_key is not None:
            # as text, numbers are refused like any other value that is no date
            rows = rows.mutate(**{DATE: rows[DATE].cast("string")})
            if loading.time_unit == "timestamp":
                key = next(column.key for column in self.columns if column.name == TIME)
                rows = rows.mutate(**{TIME: join_date(rows[DATE], rows[TIME], key, loading)})
        if loading.filter_events == "before" or loading.session_gap is None:
            return rows.filter(KEPT)
        # events that only mark the passing of time often have no item, or one of another kind
        return rows.mutate(**{ITEM: ibis.cases((rows[KEPT], rows[ITEM]))})

    def rows_as_written(self) -> ir.Table:
        """All rows for counting, without checks.

        Returns:
            `SessionId` and `ItemId`, null where they are missing; `kept`: the event is of a type
            that counts; `lacks_value`: `drop_missing` drops the row.
        """
        rows = self._all_rows()
        ids = {
            column.name: as_written(column.present(rows))
            for column in self.columns
            if isinstance(column, IdColumn)
        }
        # without a column of sessions, all events are of one
        ids = {SESSION: rows[SESSION], **ids}
        return rows.select(**ids, kept=rows[KEPT], lacks_value=self._lacks_value(rows))

    def measure(self, rows: ir.Table) -> Measured:
        """Measures all that the checks and the reading of rows need, in one pass over the log.

        Raises:
            DataError: The log cannot be read, or a column is of a wrong kind.
        """
        lacks = self._lacks_value(rows)
        facts = {
            "log": {
                "rows": rows.count(),
                "kept": rows[KEPT].sum().fill_null(0),
                "lacking": lacks.sum(),
                "left": (rows[KEPT] & ~lacks).sum(),
            },
            "missing": {column.name: self._lacks(rows, column).sum() for column in self.columns},
        }
        columns = {column.name: column.measure(rows) for column in self.columns}
        found = fetch_facts(rows, columns | facts)
        counts = found.pop("missing")
        missing = {column.key: counts[column.name] or 0 for column in self.columns}
        return Measured(**found.pop("log"), missing=missing, columns=found)

    def check(self, rows: ir.Table, facts: Measured) -> None:
        """Checks what was measured of rows.

        Raises:
            DataError: There are none, or some have values that are missing or cannot be read.
        """
        if not facts.kept:
            self._refuse_nothing(facts.rows)
        if facts.lacking:
            self._judge_missing(facts)
        present = self._drop_missing(rows, facts)
        for column in self.columns:
            column.check(present, facts.columns)

    def read(self, rows: ir.Table, facts: Measured) -> ir.Table:
        """Reads rows, after `check`; without those in which a value is missing.

        Returns:
            `SessionId`, `ItemId`, `Time` and `KEPT`; and `FINE`, `ORDER` and `ROW` where they order
            events.
        """
        rows = self._drop_missing(rows, facts)
        kept = [name for name in (KEPT, ROW, SESSION) if name in rows.columns]
        read = {name: rows[name] for name in kept}
        for column in self.columns:
            read |= column.read(rows, facts.columns)
        return rows.select(**read)

    def _all_rows(self, numbered: bool = False) -> ir.Table:
        log = with_rows(self._log) if numbered else self._log
        columns = {column.name: log[column.key] for column in self.columns}
        if numbered:
            columns[ROW] = log[ROW]
        return log.select(
            **{SESSION: ibis.literal(1, "int64"), **columns, KEPT: self._select_types(log)}
        )

    def _select_types(self, log: ir.Table) -> ir.BooleanValue:
        """True for the events of the types that count."""
        if self.loading.event_key is None:
            return ibis.literal(True)
        given, wanted = self._event_types(log), [t.strip() for t in self.loading.event_types]
        # blanks around them do not count, and mostly there are none
        found = ibis.cases((given.isin(wanted), True), else_=without_blanks(given).isin(wanted))
        return cast(ir.BooleanValue, found.fill_null(False))

    def _event_types(self, log: ir.Table) -> ir.StringColumn:
        return cast(ir.StringColumn, log[self.loading.event_key].cast("string"))

    def _lacks(self, rows: ir.Table, column: RawColumn) -> ir.BooleanValue:
        missing = column.is_missing(rows)
        return missing & rows[KEPT] if column.name == ITEM else missing

    def _lacks_value(self, rows: ir.Table) -> ir.BooleanValue:
        """True for rows in which a value is missing that must be there."""
        # for OR, DuckDB would compute again what this shares with the counts of each column
        lacks = [(self._lacks(rows, column), True) for column in self.columns]
        return cast(ir.BooleanValue, ibis.cases(*lacks, else_=False))

    def _drop_missing(self, rows: ir.Table, facts: Measured) -> ir.Table:
        return rows.filter(~self._lacks_value(rows)) if facts.lacking else rows

    def _refuse_nothing(self, n_rows: int) -> None:
        if n_rows == 0:
            # none is left, or there was none
            n_rows = 0 if self.loading.event_key is None else count_rows(self._log)
            refuse_no_rows(n_rows, "The log")
        types = self._log.select(type=self._event_types(self._log))
        present = types.distinct().order_by("type").limit(20).to_pyarrow()["type"]
        raise DataError(
            f"No event is of the event_types {', '.join(self.loading.event_types)}; the column "
            f"{self.loading.event_key!r} has {', '.join(str(value) for value in present)}"
        )

    def _judge_missing(self, facts: Measured) -> None:
        """Refuses missing values, unless they are dropped and something is left."""
        if not self.loading.drop_missing or facts.missing.get(PLACE):
            words, first = self._find_words(), self._find_first_missing()
            refuse_missing(facts.missing, words, first, _ADVICE)
        found = ", ".join(f"{key!r} has {count:,}" for key, count in facts.missing.items() if count)
        if not facts.left:
            raise DataError(
                f"drop_missing drops each of the {facts.kept:,} events, because values are "
                f"missing: {found}; check these columns"
            )
        _log.warning(
            "%s of %s rows are dropped, because values are missing: %s",
            f"{facts.lacking:,}",
            f"{facts.rows:,}",
            found,
        )

    def _find_first_missing(self) -> list[int]:
        """Numbers the first rows in which a value is missing from 1, where rows have an order."""
        if not self.ordered:
            return []
        rows = self.rows(numbered=True)
        first = rows.filter(self._lacks_value(rows)).order_by(ROW).limit(3)
        return [row + 1 for row in first.to_pyarrow()[ROW].to_pylist()]

    def _find_words(self) -> dict[str, str]:
        """Finds in each column of text a word that stands for nothing."""
        log = self._log
        words = {
            column.key: log[column.key].min(
                where=without_blanks(log[column.key]).isin(self.loading.missing)
            )
            for column in self.columns
            if log[column.key].type().is_string()
        }
        return fetch_row(log.aggregate(**words)) if words else {}
