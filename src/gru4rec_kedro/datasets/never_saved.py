"""Files that are not saved through the catalog."""

from typing import Any, ClassVar, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError
from gru4rec.addresses import Location, exists, locate, show

_Loaded = TypeVar("_Loaded")


class NeverSaved(AbstractDataset[Any, _Loaded]):
    """Base of our own datasets of a file that is only read, or written by whoever loads the entry.

    Args:
        filepath: A path or an address; None where the file may be left out.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    _why: ClassVar[str]  # a save is refused, after the name of the file
    _locate = staticmethod(locate)
    _file: Location | None

    def __init__(
        self,
        *,
        filepath: str | None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._file = self._locate(filepath, ConfigError, credentials) if filepath else None
        self.metadata = metadata

    def save(self, data: Any) -> NoReturn:  # noqa: ARG002  (Kedro's signature)
        """Refuses.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{show(self._file)} {self._why}")

    def _exists(self) -> bool:
        return self._file is not None and exists(self._file)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._file and show(self._file)}
