"""A list of items that may be left out."""

import re
from typing import Any

import ibis.expr.types as ir
from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError, columns, read_log
from gru4rec.files import check_local


class ItemListDataset(AbstractDataset[Any, ir.Table | None]):
    """Items in a text file (`.txt`, one id a line, no header), CSV or Parquet; read only.

    Args:
        filepath: The file; None for no list.
        metadata: For plugins.
    """

    def __init__(
        self, *, filepath: str | None = None, metadata: dict[str, Any] | None = None
    ) -> None:
        if filepath:
            check_local(filepath, ConfigError)
        self._filepath = filepath
        self.metadata = metadata

    def load(self) -> ir.Table | None:
        """Returns the list as an Ibis table, None where there is none."""
        if not self._filepath:
            return None
        if re.search(r"\.txt(\.(gz|zst|bz2|xz))?$", self._filepath, re.IGNORECASE):
            # ids may hold commas, but no tabs
            return read_log(self._filepath, delimiter="\t", column_names=[columns.ITEM])
        return read_log(self._filepath)

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: the list is its owner's.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"{self._filepath} is a list of items and is never written")

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath}
