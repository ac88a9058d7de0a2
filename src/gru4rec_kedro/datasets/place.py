"""Places of files that nodes read and write themselves, as catalog entries."""

from typing import Any

from gru4rec import ConfigError
from gru4rec.addresses import Location, check_local, locate_writable
from gru4rec_kedro.datasets.never_saved import NeverSaved


class PlaceDataset(NeverSaved[Location]):
    """A file or a folder that a node reads and writes as it goes.

    A dataset that is written cannot be read by the same node, so this one only says where.

    Args:
        filepath: The file or folder: a path or an address.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    _file: Location
    _locate = staticmethod(locate_writable)
    _why = "is written by whoever loads this entry, its path"

    def load(self) -> Location:
        """Returns the path, or the address with its store, whether or not there is anything."""
        return self._file


class LocalFolderDataset(PlaceDataset):
    """A folder in which processes take turns by locks, so it must be on this machine."""

    def __init__(
        self,
        *,
        filepath: str,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        reason = (
            "processes that share it take turns by locks, which stores have not; give the entry a "
            "local path in catalog.yml"
        )
        check_local(filepath, ConfigError, reason)
        super().__init__(filepath=filepath, credentials=credentials, metadata=metadata)


class CheckpointDataset(PlaceDataset):
    """The file of the checkpoints, which `GRU4Rec.fit` itself writes and resumes."""
