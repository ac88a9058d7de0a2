"""What is kept of a session between two requests."""

import json
from typing import Any, NamedTuple

import numpy as np

from gru4rec.errors import DataError
from gru4rec.serving.state import as_text, check_state, from_text

# the garbage collector leaves alone what it has seen to be plain tuples of bytes and text
Packed = tuple[str, tuple[bytes, ...], str]

_to_json = json.JSONEncoder(separators=(",", ":")).encode


class Record(NamedTuple):
    """A session as it is kept; never changed, another one takes its place.

    Attributes:
        model: Digest of the model that the hidden states are of.
        items: Ids of its last items, oldest first, also of those that the model does not know.
        hidden: Its units, little-endian 32-bit floats, of each layer.
        events: Ids of its last events.
    """

    model: str
    items: tuple[Any, ...]
    hidden: tuple[bytes, ...]
    events: tuple[str, ...]

    def pack(self) -> Packed:
        """Returns it in little memory, which the garbage collector does not look through."""
        return self.model, self.hidden, _to_json([self.items, self.events])

    @classmethod
    def unpack(cls, packed: Packed) -> "Record":
        """Does the reverse of `pack`."""
        model, hidden, text = packed
        items, events = json.loads(text)
        return cls(model, tuple(items), hidden, tuple(events))

    def to_json(self) -> bytes:
        """Returns it as text, with the state as `LiveSession.state` returns it."""
        state = {"model": self.model, "items": self.items, "hidden": as_text(self.hidden)}
        return _to_json({"state": state, "events": self.events}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> "Record":
        """Does the reverse of `to_json`.

        Raises:
            DataError: It is no such text.
        """
        try:
            content = json.loads(text)
            state, events = check_state(content["state"]), tuple(content["events"])
            hidden = from_text(state["hidden"])
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(f"a session that was kept cannot be read: {error}") from None
        if not all(np.isfinite(layer).all() for layer in hidden):
            raise DataError("the hidden states of a session that was kept are not finite")
        units = tuple(layer.tobytes() for layer in hidden)
        return cls(state["model"], tuple(state["items"]), units, events)
