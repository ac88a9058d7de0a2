"""A list of items that may be left out."""

import re

import ibis.expr.types as ir

from gru4rec import columns, read_log
from gru4rec.addresses import path_of
from gru4rec_kedro.datasets.never_saved import NeverSaved


class ItemListDataset(NeverSaved[ir.Table | None]):
    """Items in a text file (`.txt`, one id a line, no header), CSV or Parquet; read only.

    Args:
        filepath: The file: a path or an address; None for no list.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    _why = "is a list of items and is never written"

    def load(self) -> ir.Table | None:
        """Returns the list as an Ibis table, None where there is none."""
        if self._file is None:
            return None
        if re.search(r"\.txt(\.(gz|zst|bz2|xz))?$", path_of(self._file), re.IGNORECASE):
            # ids may hold commas, but no tabs
            return read_log(self._file, delimiter="\t", column_names=[columns.ITEM])
        return read_log(self._file)
