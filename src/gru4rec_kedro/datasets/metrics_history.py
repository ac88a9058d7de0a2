"""All versions of the metrics at once."""

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError
from gru4rec.files import check_local
from gru4rec_kedro.datasets.events import json_table
from gru4rec_kedro.kedro_internals import TablePreview

logger = logging.getLogger(__name__)

Metrics = dict[str, Any]


class MetricsHistoryDataset(AbstractDataset[Any, dict[str, Metrics]]):
    """Reads every version of a versioned JSON dataset of metrics; read only.

    Args:
        filepath: That of the versioned dataset.
        metadata: For plugins.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        self._filepath = check_local(filepath, ConfigError)
        self.metadata = metadata

    def load(self) -> dict[str, Metrics]:
        """Returns metrics by version, oldest first; a file that cannot be read is left out."""
        files = sorted(self._filepath.glob(f"*/{self._filepath.name}"))
        read = {path.parent.name: _read(path) for path in files}
        return {version: metrics for version, metrics in read.items() if metrics}

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: versions are written by the dataset that they belong to.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError(f"the versions of {self._filepath} are only read here")

    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the newest versions in kedro-viz."""
        history = self.load()
        plain = [
            {"version": version}
            | {name: value for name, value in history[version].items() if "@" in name}
            for version in sorted(history, reverse=True)[:nrows]
        ]
        return TablePreview(json_table(pd.DataFrame(plain)))

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _read(path: Path) -> Metrics:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            return content
        reason = f"it holds {type(content).__name__}, not metrics by name"
    except (OSError, ValueError) as error:
        reason = str(error)
    logger.warning("%s is left out of the comparison: %s", path, reason)
    return {}
