"""All versions of the metrics at once."""

import glob
import json
import logging
from typing import Any

import pandas as pd

from gru4rec.addresses import Location, matching, reaching
from gru4rec.evaluation import METRICS
from gru4rec_kedro.datasets.never_saved import NeverSaved
from gru4rec_kedro.datasets.previews import json_table, small
from gru4rec_kedro.kedro_internals import TablePreview

logger = logging.getLogger(__name__)

Metrics = dict[str, Any]


class MetricsHistoryDataset(NeverSaved[dict[str, Metrics]]):
    """Reads every version of a versioned JSON dataset of metrics; read only.

    Args:
        filepath: That of the versioned dataset.
        credentials: Options of the store, where it is in one.
        metadata: For plugins.
    """

    _file: Location
    _why = "is written by the dataset of its versions, and only read here"

    def load(self) -> dict[str, Metrics]:
        """Returns metrics by version, oldest first; a file that cannot be read is left out."""
        pattern = glob.escape(str(self._file)) + f"/*/{glob.escape(self._file.name)}"
        files = matching(pattern, self._file)
        read = {path.parent.name: _read(path) for path in files}
        return {version: metrics for version, metrics in read.items() if metrics}

    @small
    def preview(self, nrows: int = 10) -> TablePreview:
        """Shows the newest versions in kedro-viz."""
        history = self.load()
        plain = [
            {"version": version}
            | {name: value for name, value in history[version].items() if _is_metric(name)}
            for version in sorted(history, reverse=True)[:nrows]
        ]
        return TablePreview(json_table(pd.DataFrame(plain)))


def _is_metric(name: str) -> bool:
    """Whether it is a metric itself: not a bound of its interval, nor anything else."""
    return name.partition("@")[0] in METRICS


def _read(path: Location) -> Metrics:
    try:
        with reaching(path):
            text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if isinstance(content, dict):
            return content
        reason = f"it holds {type(content).__name__}, not metrics by name"
    except (OSError, ValueError) as error:
        reason = str(error)
    logger.warning("%s is left out of the comparison: %s", path, reason)
    return {}
