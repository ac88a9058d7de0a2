"""The canonical column names, once."""

from gru4rec.errors import DataError

SESSION = "SessionId"
ITEM = "ItemId"
TIME = "Time"
# orders the events of a session that share their time; there only where some do
PLACE = "PlaceInSession"

RANK = "rank"
SCORE = "score"


def refuse_places(n_missing: int) -> None:
    """Checks the number of missing values among `PlaceInSession`.

    Raises:
        DataError: There are some.
    """
    if n_missing:
        raise DataError(
            f"column {PLACE!r} has {n_missing:,} missing value(s), as where events with it "
            "are put together with such as have none; it orders a session's events in equal times: "
            "number all of them, or drop the column, and the order of the rows counts"
        )
