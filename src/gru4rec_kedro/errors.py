"""What can go wrong in the Kedro project; all are `gru4rec.GRU4RecError`, as the library's are."""

from typing import IO, Any

from click import ClickException
from kedro.framework.cli.utils import KedroCliError
from kedro.io import DatasetError

from gru4rec import GRU4RecError


class RunError(KedroCliError, GRU4RecError):
    """A mistake of the user's; the command line shows the message without a traceback."""

    def show(self, file: IO[Any] | None = None) -> None:
        """Prints the message; with `--verbose` Kedro's traceback."""
        if self.VERBOSE_ERROR:
            super().show(file)
        else:
            ClickException.show(self, file)

    def _render_traceback_(self) -> list[str]:
        """What IPython shows of it."""
        return [f"{type(self).__name__}: {self.message}"]


class FolderInUseError(DatasetError, GRU4RecError):
    """Another process is at work in a folder."""


class MissingFileError(DatasetError, GRU4RecError):
    """A file of the catalog is not there."""


class UnreachableError(DatasetError, GRU4RecError):
    """The store of a catalog entry cannot be reached, or refuses."""


class UnwritableError(DatasetError, GRU4RecError):
    """A catalog path cannot be written."""


class StoreError(DatasetError, GRU4RecError):
    """The store of a tuning cannot be opened."""


class TuningError(GRU4RecError):
    """A study has nothing to say."""
