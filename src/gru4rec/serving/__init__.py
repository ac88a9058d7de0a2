"""Recommendations of a model that is only read."""

from gru4rec.serving.live import LiveSession
from gru4rec.serving.shortlist import Shortlist
from gru4rec.serving.titles import titles_of

__all__ = ["LiveSession", "Shortlist", "titles_of"]
