"""What is asked of the tables of events that users hand in, by `preparation` and `data` alike."""

from gru4rec.frames.events import require_columns

__all__ = ["require_columns"]
