"""What all stores of sessions do."""

from typing import Any, Protocol

from gru4rec.errors import GRU4RecError
from gru4rec.server.records import Record


class StoreAwayError(GRU4RecError):
    """The store of sessions does not answer, or takes nothing; a later request may succeed."""


class SessionStore(Protocol):
    """Records by the id of their session.

    All methods are called on one event loop, which goes on while they wait.

    Attributes:
        is_shared: Whether several processes that open the same address have the same sessions.
    """

    is_shared: bool

    async def get(self, session: str) -> tuple[Record | None, Any]:
        """Returns the record, and keeps it for its full time from now on; None: there is none.

        The second is what `replace` knows it by.

        Raises:
            StoreAwayError: See there.
        """

    async def replace(self, session: str, version: Any, new: Record) -> bool:
        """Writes a record if it is still as it was read.

        Args:
            session: Its session.
            version: The second that `get` returned.
            new: What takes its place.

        Returns:
            Whether it was written; if not, another has changed it.

        Raises:
            StoreAwayError: See there; whether the record was written is not known then.
        """

    async def delete(self, session: str) -> None:
        """Forgets a session, if it is there.

        Raises:
            StoreAwayError: See there.
        """

    async def check(self) -> None:
        """Asks whether the store answers.

        Raises:
            StoreAwayError: It does not.
        """

    async def close(self) -> None:
        """Gives up what is open; nothing is asked any more."""
