"""What items are called, which may be left out."""

import pandas as pd

from gru4rec import DataError, columns, read_log
from gru4rec.addresses import show
from gru4rec_kedro.datasets.never_saved import NeverSaved
from gru4rec_kedro.datasets.previews import json_table, small
from gru4rec_kedro.kedro_internals import TablePreview

_IDS = (columns.ITEM, "id")


class ItemsDataset(NeverSaved[pd.DataFrame]):
    """Titles of items in a text file or a Parquet file; read only.

    Its columns are `ItemId` (or `id`), `title`, and, where there are pictures, `picture`: the
    address of one.

    Args:
        filepath: The file: a path or an address; None for no titles.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    _why = "has titles of items and is never written"

    def load(self) -> pd.DataFrame:
        """Returns text: the columns `title` and `picture`, by id; without rows if there is no file.

        Raises:
            DataError: A column is missing, or two titles are of one item.
        """
        if self._file is None:
            return pd.DataFrame({"title": [], "picture": []}, dtype=str)
        table = read_log(self._file)
        id_key = next((name for name in _IDS if name in table.columns), None)
        if id_key is None or "title" not in table.columns:
            raise DataError(
                f"{show(self._file)} has the columns {', '.join(table.columns)}; titles of items "
                f"need {_IDS[0]} (or {_IDS[1]}) and title, and may have picture"
            )
        wanted = [id_key, "title", *({"picture"} & {*table.columns})]
        # as text before pandas makes floats of integers with a gap
        as_text = {name: table[name].cast("string") for name in wanted}
        told = table.select(**as_text).to_pandas().dropna(subset=[id_key, "title"]).astype(str)
        frame: pd.DataFrame = told.set_index(id_key)
        frame["picture"] = frame["picture"].fillna("") if "picture" in frame else ""
        if not frame.index.is_unique:
            twice = frame.index[frame.index.duplicated()][0]
            raise DataError(
                f"{show(self._file)} has more than one title of {twice!r}: leave one line an item"
            )
        return frame

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the first titles in kedro-viz."""
        return TablePreview(json_table(self.load().head(nrows).reset_index()))
