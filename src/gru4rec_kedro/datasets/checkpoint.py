"""The checkpoints of a training as a catalog entry."""

from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError
from gru4rec.files import check_local


class CheckpointDataset(AbstractDataset[Any, Path]):
    """The file of the checkpoints, which `GRU4Rec.fit` itself writes and resumes.

    A dataset that is written cannot be read by the same node, so this one only says where.

    Args:
        filepath: The file.
        metadata: For plugins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        check_local(filepath, ConfigError)
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> Path:
        """Returns the path, whether or not there is a checkpoint."""
        return Path(self._filepath)

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: the training writes it.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is written by the training only")

    def _exists(self) -> bool:
        return Path(self._filepath).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
