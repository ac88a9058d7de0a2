import json
import re

import pytest
from kedro.io import DatasetError, Version

from gru4rec import DataError
from gru4rec_kedro.datasets import MetricsDataset

METRICS = {"recall@20": 0.5, "history": [{"epoch": 1}]}


def test_metrics_come_back_as_they_were(tmp_path):
    dataset = MetricsDataset(filepath=str(tmp_path / "metrics.json"))
    dataset.save(METRICS)
    assert dataset.load() == METRICS
    assert dataset.load().get("mrr@20") is None


def test_the_preview_is_a_small_table_of_rounded_metrics(tmp_path):
    dataset = MetricsDataset(filepath=str(tmp_path / "metrics.json"))
    assert dataset.preview() is None  # nothing is made yet, and kedro-viz warns of nothing
    bounds = {"recall_low@20": 0.4, "recall_high@20": 0.6, "targets": 7}
    dataset.save({"recall@20": 0.50004999, "mrr@20": 1 / 3, "recall@5": 0.25, **bounds})
    preview = json.loads(json.dumps(dataset.preview()))
    assert preview["columns"] == ["k", "recall", "MRR"]
    assert preview["data"] == [[5, 0.25, ""], [20, 0.5, 0.3333]]


def test_a_file_that_lacks_what_is_needed_is_named_with_what_to_do(tmp_path):
    dataset = MetricsDataset(filepath=str(tmp_path / "metrics.json"), version=Version(None, "1"))
    dataset.save(METRICS)
    expected = (
        f"{tmp_path}/metrics.json/1/metrics.json has no 'tie_effect': an earlier version of the "
        "project wrote it. Evaluate the model again, with kedro run --from-nodes evaluate_model"
    )
    with pytest.raises(DataError, match=f"^{re.escape(expected)}$"):
        dataset.load()["tie_effect"]


def test_something_else_than_metrics_is_named(tmp_path):
    (tmp_path / "metrics.json").write_text("[1]")
    with pytest.raises(DatasetError, match=r"metrics\.json holds list, not metrics by name"):
        MetricsDataset(filepath=str(tmp_path / "metrics.json")).load()
