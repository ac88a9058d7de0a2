"""Parts of a log into memory, or sessions a piece at a time; for several pipelines."""

import logging
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd

from gru4rec import ConfigError, DataError, GRU4Rec, LoadingConfig, columns
from gru4rec.preparation import stream_sessions

logger = logging.getLogger(__name__)

# the 95 % interval of the mean of as many values between 0 and 1 is up to .2 wide: with fewer
# sessions a comparison says nothing
FEWEST_SESSIONS = 100
DAY = 86_400  # seconds


def read_part(parts: dict[str, ir.Table], name: str) -> pd.DataFrame:
    """Reads one of the parts.

    Raises:
        DataError: It is empty.
    """
    frame: pd.DataFrame = parts[name].to_pandas()
    if frame.empty:
        raise DataError(
            f"the part {name!r} is empty: change the section 'data_split', or, where the section "
            "'experiment' names the part, name another"
        )
    return frame


def in_order(part: pd.DataFrame) -> pd.DataFrame:
    """Sorts events by session, and there as models read them: see `gru4rec.GRU4Rec.fit`."""
    places = [columns.PLACE] if columns.PLACE in part else []
    return part.sort_values([columns.SESSION, columns.TIME, *places], kind="stable")


def refuse_ordinal(loading: LoadingConfig, option: str) -> None:
    """Refuses days where times only order the events.

    Raises:
        ConfigError: They do.
    """
    if loading.time_unit == "ordinal":
        raise ConfigError(
            f"{option} counts days, but loading.time_unit is 'ordinal': such times only order the "
            "events"
        )


def count_testable(part: pd.DataFrame, known: npt.NDArray[Any]) -> int:
    """Counts the sessions of a part in which a model could be asked: with two known events."""
    sessions = part.loc[part[columns.ITEM].isin(known), columns.SESSION]
    return int((sessions.value_counts() >= 2).sum())


def refuse_untestable(
    tested: pd.DataFrame, name: str, known: npt.NDArray[Any], trained_on: str
) -> None:
    """Checks that a model can be tested, before it is trained.

    Args:
        tested: The part that it is to be tested on.
        name: Name of that part.
        known: Ids of the items that the model will know.
        trained_on: Name of the part that it is to be trained on.

    Raises:
        DataError: No session has two events on known items, so that there is nothing to predict.
    """
    if count_testable(tested, known):
        return
    n_known = tested[columns.ITEM].isin(known).sum()
    raise DataError(
        f"nothing in the part {name!r} could be predicted after training on {trained_on!r}: of its "
        f"{len(tested):,} events, {len(tested) - n_known:,} are on items that are not in "
        f"{trained_on!r}, and no session has two of the others. Change the section 'data_split' "
        "(more days or a larger fraction for this part), or see whether both parts write their "
        "items in the same way"
    )


def with_ids_of(model: GRU4Rec, items: ir.Table) -> ir.Table:
    """Turns items to text where the model's are: few of them may look like integers by chance.

    Raises:
        DataError: They are of another kind than the model's.
    """
    if model.vocabulary.holds_text:
        return items.mutate(**{columns.ITEM: items[columns.ITEM].cast("string")})
    # another kind is refused before the first part is written
    model.vocabulary.encode(items.limit(1).to_pyarrow()[columns.ITEM].to_pandas())
    return items


class Piece(NamedTuple):
    """Some whole sessions of a log.

    Attributes:
        events: `SessionId` and `ItemId`, in order.
        is_known: Whether the model knows the item of each event, shape (n_events,).
    """

    events: pd.DataFrame
    is_known: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, events: pd.DataFrame, model: GRU4Rec) -> Self:
        """Looks the items of events up."""
        return cls(events, model.vocabulary.encode(events[columns.ITEM]) >= 0)

    @property
    def hash(self) -> bytes:
        """Stands for the events."""
        rows: bytes = pd.util.hash_pandas_object(self.events, index=False).to_numpy().tobytes()
        return rows

    @property
    def n_sessions(self) -> int:
        """The number of sessions."""
        return int(self.events[columns.SESSION].nunique())

    def by_session(self) -> dict[Any, Any]:
        """Returns the known items of each session by its id, in the order of the sessions."""
        numbers, sessions = pd.factorize(self.events[columns.SESSION])
        lengths = np.bincount(numbers[self.is_known], minlength=len(sessions))
        known: Any = self.events[columns.ITEM].to_numpy()[self.is_known]
        items: list[Any] = np.split(known, np.cumsum(lengths)[:-1])
        return dict(zip(sessions.tolist(), items, strict=True))


def stream_pieces(events: ir.Table, model: GRU4Rec, n_sessions: int, task: str) -> Iterator[Piece]:
    """Yields whole sessions, so many at a time; see `stream_sessions`.

    A log line says at the end how many events are on items that the model does not know.
    """
    n_events = n_unknown = 0
    for part in stream_sessions(events, n_sessions, task):
        piece = Piece.of(part, model)
        n_events += len(part)
        n_unknown += int((~piece.is_known).sum())
        yield piece
    tell_of_unknown(n_unknown, n_events)


def tell_of_unknown(n_unknown: int, n_events: int) -> None:
    """Says in a log line how many events are on items that the model does not know, if any are."""
    if n_unknown:
        logger.warning(
            "%s of %s events are on items that the model does not know, and were skipped",
            f"{n_unknown:,}",
            f"{n_events:,}",
        )
