"""Recommendations of a model that is only read."""

from gru4rec.serving.live import LiveSession
from gru4rec.serving.shortlist import Shortlist

__all__ = ["LiveSession", "Shortlist"]
