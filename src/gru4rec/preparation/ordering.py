"""The order of a session's events: by time, and where times are equal by what the log says."""

import logging
from collections.abc import Mapping
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis import _

from gru4rec.columns import ITEM, PLACE, SESSION, TIME
from gru4rec.config import MANY_EQUAL_TIMES, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.engine.functions import engine_of, read_number
from gru4rec.preparation.raw_columns import Facts, RawColumn

ROW = "_row"
ORDER = "_order"
FINE = "_fine"  # times as the log has them, where reading them makes different ones equal
_TOO_MANY = 0.5

_log = logging.getLogger(__name__)


def has_order(log: ir.Table) -> bool:
    """Tells whether the rows of a source have an order of their own, as those of a file have."""
    # what joins or groups gives its rows in another order each time
    steps = (ops.PhysicalTable, ops.Project, ops.Filter)
    in_order = all(isinstance(step, steps) for step in log.op().find(ops.Relation))
    return bool(engine_of(log) == "duckdb" and in_order)


def with_rows(log: ir.Table) -> ir.Table:
    """Numbers the rows of a source that `has_order` from 0, as `ROW`; files in order of name."""
    return log.mutate(**{ROW: ibis.row_number()})


class OrderColumn(RawColumn):
    """The column `order_key`: numbers, also where they are text, or timestamps."""

    def measure(self, rows: ir.Table) -> dict[str, ir.Scalar]:
        """Says, of text, how many values are `broken` (no numbers), or `fractions`."""
        column = self.present(rows)
        if not column.type().is_string():
            return {}
        number, whole = read_number(column), column.try_cast("int64")
        broken = column.notnull() & number.isnull()
        # a cast of text to whole numbers rounds
        is_fraction = whole.isnull() | (whole.cast("float64") != number)
        return {
            "broken": broken.sum(),
            "example": column.min(where=broken),
            "fractions": is_fraction.sum(where=number.notnull()),
        }

    def check(self, rows: ir.Table, facts: Facts) -> None:
        """Refuses what is neither number nor time."""
        kind, found = rows[self.name].type(), facts[self.name]
        if kind.is_string() and not found["broken"]:
            return
        if kind.is_timestamp() or kind.is_date() or (kind.is_numeric() and not kind.is_boolean()):
            return
        example = f" such as {found['example']!r}" if "example" in found else ""
        raise DataError(
            f"The column {self.key!r} (order_key of the section 'loading') holds {kind} "
            f"values{example}; numbers or timestamps are expected, which order the events of a "
            "session"
        )

    def read(self, rows: ir.Table, facts: Facts) -> dict[str, ir.Column]:
        """Reads the values."""
        column = rows[self.name]
        if column.type().is_string():
            column = column.cast("float64" if facts[self.name]["fractions"] else "int64")
        return {self.name: column}


def measure_ties(events: ir.Table) -> ir.Table:
    """Counts the events that share their time (and order key, if there is one) with another.

    Args:
        events: Events with canonical columns, and `FINE` and `ORDER` where they are needed.

    Returns:
        A table of one row: `tied` events, `events` in all, and the smallest `session` with some.
    """
    keys = [SESSION, TIME, *(name for name in (FINE, ORDER) if name in events.columns)]
    groups = events.group_by(keys).agg(n=_.count())
    return groups.aggregate(
        tied=_.n.sum(where=_.n > 1).fill_null(0),
        events=_.n.sum().fill_null(0),
        session=groups[SESSION].min(where=_.n > 1),
    )


def judge_ties(facts: Mapping[str, Any], loading: LoadingConfig, ordered: bool) -> str:
    """Says how events in equal times are ordered, and warns where many are.

    Args:
        facts: The values of `measure_ties`.
        loading: `ties` and `order_key`.
        ordered: Whether the rows of the log have an order.

    Returns:
        A line of text.

    Raises:
        DataError: `ties` refuses them, or too many would be put in order of item.
    """
    if not facts["tied"]:
        return "equal times in a session: none"
    share = facts["tied"] / facts["events"]
    by_item = loading.ties == "item" or not ordered
    how = "by item id" if by_item else "as the rows of the log are"
    told = f"equal times in a session: {facts['tied']:,} events ({share:.2%}), ordered {how}"
    key = " and order_key" if loading.order_key else ""
    problem = (
        f"{facts['tied']:,} of {facts['events']:,} events ({share:.1%}) share their time{key} with "
        f"another of their session, such as in session {facts['session']!r}. "
    )
    advice = (
        "A finer time column, the time of day beside the date (date_key), or a column that orders "
        "them (order_key of the section 'loading') mends that"
    )
    if loading.ties == "refuse":
        raise DataError(f"{problem}{advice}; ties: file takes the order of the log's rows")
    if by_item and share > _TOO_MANY:
        without = "" if ordered else "The rows of this table have no order. "
        raise DataError(
            f"{problem}{without}In order of item id, which says nothing about the clicks, the "
            f"network would learn that order. {advice}"
            + ("; or ties: file takes the order of the log's rows" if ordered else "")
        )
    if share > MANY_EQUAL_TIMES or not ordered:
        _log.warning(
            "%sThey are ordered %s; where that is not the order of the clicks, the network learns "
            "an order that is not there. %s",
            problem,
            how,
            advice,
        )
    return told


def add_place(events: ir.Table) -> ir.Table:
    """Adds each event's place in its session by time, `ORDER`, then `ROW` or else item."""
    keys = [TIME, *(name for name in (FINE, ORDER, ROW) if name in events.columns)]
    if ROW not in events.columns:
        keys.append(ITEM)
    window = ibis.window(group_by=SESSION, order_by=keys)
    # Spark's numbers have 32 bits; Ibis, which takes them for 64, would leave one cast out
    place = ibis.row_number().over(window).cast("int32").cast("int64")
    return events.mutate(**{PLACE: place})
