"""Places of files that nodes read and write themselves, as catalog entries."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError
from gru4rec.files import check_local


class PlaceDataset(AbstractDataset[Any, Path]):
    """A file or a folder that a node reads and writes as it goes.

    A dataset that is written cannot be read by the same node, so this one only says where.

    Args:
        filepath: The file or folder.
        metadata: For plugins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        check_local(filepath, ConfigError)
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> Path:
        """Returns the path, whether or not there is anything."""
        return Path(self._filepath)

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: whoever loads the path writes there.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is written by whoever loads this entry, its path")

    def _exists(self) -> bool:
        return Path(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}


class CheckpointDataset(PlaceDataset):
    """The file of the checkpoints, which `GRU4Rec.fit` itself writes and resumes."""
