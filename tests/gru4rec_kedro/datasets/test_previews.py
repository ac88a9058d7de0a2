import json

import pandas as pd
import plotly.graph_objects as go
import pytest

from gru4rec_kedro.datasets import (
    CSVDataset,
    JSONDataset,
    PageDataset,
    ParquetDataset,
    PlotlyDataset,
)


@pytest.mark.parametrize("kind", [CSVDataset, ParquetDataset])
def test_wide_tables_are_cut_and_numbers_rounded(tmp_path, kind):
    dataset = kind(filepath=str(tmp_path / "table"))
    assert dataset.preview() is None
    dataset.save(pd.DataFrame({f"column {n}": [1 / 3, 2.0] for n in range(15)}))
    preview = dataset.preview()
    assert len(preview["columns"]) == 13
    assert preview["columns"][-1] == "… and 3 more"
    assert preview["data"][0] == [0.3333] * 12 + ["…"]
    dataset.save(pd.DataFrame({"one": [1 / 3]}))
    assert dataset.preview()["columns"] == ["one"]


def test_json_is_rounded_and_figures_stay_whole(tmp_path):
    values = JSONDataset(filepath=str(tmp_path / "values.json"))
    values.save({"a": [1 / 3, {"b": 2 / 3, "c": "0.123456"}], "n": 12345678, "rate": 1.23456e-5})
    shown = json.loads(values.preview())
    assert shown == {
        "a": [0.3333, {"b": 0.6667, "c": "0.123456"}],
        "n": 12345678,
        "rate": 1.235e-5,
    }
    figure = PlotlyDataset(filepath=str(tmp_path / "figure.json"))
    figure.save(go.Figure(go.Bar(y=[1 / 3])))
    assert list(figure.preview()["data"][0]["y"]) == [1 / 3]


def test_of_a_page_what_stands_above_its_first_section_is_shown(tmp_path):
    page = PageDataset(filepath=str(tmp_path / "page.html"))
    page.save("<html><main><h1>T</h1><script>x</script><p>1</p><h2>Rest</h2><p>2</main></html>")
    assert page.preview() == "<h1>T</h1><p>1</p>"
