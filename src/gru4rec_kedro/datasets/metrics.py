"""The metrics of an evaluation as a catalog entry."""

from typing import Any, NoReturn

from kedro.io import DatasetError

from gru4rec import DataError
from gru4rec_kedro.datasets.written_whole import JSONDataset


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
