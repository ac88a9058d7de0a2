"""The metrics of an evaluation as a catalog entry."""

from typing import Any, NoReturn

import pandas as pd
from kedro.io import DatasetError

from gru4rec import DataError
from gru4rec.evaluation import METRICS
from gru4rec_kedro.datasets.previews import json_table
from gru4rec_kedro.datasets.written_whole import JSONDataset
from gru4rec_kedro.kedro_internals import TablePreview, unwrapped


class _Metrics(dict[str, Any]):
    """Metrics by name, which say so where one is missing that is needed."""

    def __init__(self, values: dict[str, Any], path: object) -> None:
        super().__init__(values)
        self._path = path

    def __missing__(self, name: str) -> NoReturn:
        raise DataError(
            f"{self._path} has no {name!r}: an earlier version of the project wrote it. Evaluate "
            "the model again, with kedro run --from-nodes evaluate_model"
        )


class MetricsDataset(JSONDataset):
    """Metrics by name in a JSON file.

    What is loaded raises `DataError` where a name is looked up that the file lacks, as files of
    earlier versions of the project may.
    """

    def load(self) -> dict[str, Any]:
        """Loads the metrics.

        Raises:
            DatasetError: The file holds something else.
            MissingFileError: The file, or the version that was asked for, is not there.
        """
        content, path = super().load(), self._get_load_path()
        if not isinstance(content, dict):
            raise DatasetError(f"{path} holds {type(content).__name__}, not metrics by name")
        return _Metrics(content, path)

    def preview(self) -> TablePreview:
        """Shows the metrics in kedro-viz, a row a cutoff."""
        content = unwrapped(JSONDataset.load)(self)
        by_cutoff: dict[int, dict[str, Any]] = {}
        for name, value in content.items():
            metric, _, k = name.partition("@")
            if metric in METRICS and k.isdigit():
                by_cutoff.setdefault(int(k), {"k": int(k)})[METRICS[metric].label] = value
        return TablePreview(json_table(pd.DataFrame([by_cutoff[k] for k in sorted(by_cutoff)])))
