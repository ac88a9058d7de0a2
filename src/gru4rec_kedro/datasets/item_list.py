"""A list of items that may be left out."""

import re
from typing import Any

import ibis.expr.types as ir
from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError, columns, read_log
from gru4rec.addresses import locate, path_of, show


class ItemListDataset(AbstractDataset[Any, ir.Table | None]):
    """Items in a text file (`.txt`, one id a line, no header), CSV or Parquet; read only.

    Args:
        filepath: The file: a path or an address; None for no list.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    def __init__(
        self,
        *,
        filepath: str | None = None,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._file = locate(filepath, ConfigError, credentials) if filepath else None
        self.metadata = metadata

    def load(self) -> ir.Table | None:
        """Returns the list as an Ibis table, None where there is none."""
        if self._file is None:
            return None
        if re.search(r"\.txt(\.(gz|zst|bz2|xz))?$", path_of(self._file), re.IGNORECASE):
            # ids may hold commas, but no tabs
            return read_log(self._file, delimiter="\t", column_names=[columns.ITEM])
        return read_log(self._file)

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: the list is its owner's.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{show(self._file)} is a list of items and is never written")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._file and show(self._file)}
