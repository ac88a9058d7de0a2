"""The Kedro project around `gru4rec`."""

from gru4rec import __version__

__all__ = ["__version__"]
