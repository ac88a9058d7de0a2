"""The pipelines as kedro-viz shows them, read from the site that it builds."""

import json
import re
import shutil
from pkgutil import iter_modules
from typing import Any

import pytest

from gru4rec_kedro import pipelines

KINDS = {
    "raw": "data",
    "intermediate": "data",
    "primary": "data",
    "model_input": "data",
    "models": "model",
    "model_output": "results",
    "reporting": "results",
}


@pytest.fixture(scope="module")
def site(new_project, run, kedro):
    project = new_project()
    run(project)
    run(project, pipeline_names=["recommendation", "vectors"])
    run(project, pipeline_names=["tuning"])
    run(project, pipeline_names=["backtest", "promotion"])
    parts = {
        "train_tr": "train",
        "train_valid": "valid",
        "test": "test",
        "train_full": "train_full",
    }
    (project / "data/01_raw/prepared").mkdir()
    for prepared, part in parts.items():
        shutil.copy(
            project / f"data/test/05_model_input/{part}.parquet",
            project / f"data/01_raw/prepared/{prepared}.parquet",
        )
    built = kedro(project, "viz", "build", "--include-previews")
    assert built.returncode == 0, built.stderr
    assert "could not be previewed" not in built.stdout + built.stderr
    return project / "build"


@pytest.fixture(scope="module")
def graphs(site) -> dict[str, dict[str, Any]]:
    """What is shown of each pipeline, by name."""
    return {path.name: json.loads(path.read_text()) for path in (site / "api/pipelines").iterdir()}


@pytest.fixture(scope="module")
def nodes(site, graphs) -> dict[str, dict[str, Any]]:
    """What the graphs and the panel of each node show, by name."""
    return {
        node["name"]: json.loads((site / f"api/nodes/{node['id']}").read_text()) | node
        for graph in graphs.values()
        for node in graph["nodes"]
        if node["type"] != "modularPipeline"
    }


def kind(node: dict[str, Any]) -> str:
    if node["type"] != "data":
        return node["type"]
    is_page = node["dataset_type"].endswith((".PlotlyDataset", ".TextDataset"))
    return "page" if is_page else KINDS[node["layer"]]


def test_shows_every_pipeline_with_its_layers_in_order(graphs):
    assert graphs.keys() == {"__default__"} | {m.name for m in iter_modules(pipelines.__path__)}
    for graph in graphs.values():
        shown = {node.get("layer") for node in graph["nodes"]}
        in_order = [layer for layer in KINDS if layer in shown]
        assert [layer for layer in graph["layers"] if layer in shown] == in_order
    assert graphs["__default__"]["layers"] == list(KINDS)


def test_blocks_leave_the_way_from_the_log_to_the_report_in_view(graphs):
    blocks = {
        "__default__": {"preparation", "reporting"},
        "data_engineering": {"preparation", "reporting"},
        "prepared": {"reporting"},
        "modelling": {"reporting"},
        "recommendation": set(),
        "vectors": set(),
        "baselines": set(),
        "tuning": {"reporting"},
        "backtest": {"reporting"},
        "promotion": {"reporting"},
    }
    for pipeline, names in blocks.items():
        assert graphs[pipeline]["modular_pipelines"].keys() == names | {"__root__"}
    graph = graphs["__default__"]
    in_view = {child["id"] for child in graph["modular_pipelines"]["__root__"]["children"]}
    shown = {node["name"] for node in graph["nodes"] if node["id"] in in_view}
    parts = {"train", "valid", "test", "train_full", "data_quality"}
    evaluated = {"metrics", "metrics_history", "ranked_events", "item_statistics"}
    evaluated |= {"baseline_metrics", "baseline_ranks"}
    evaluated |= {"evaluate_baselines"}
    trained = {"train_model", "checkpoint", "training_history", "model", "evaluate_model"}
    ends = {"raw_log", "preparation", "reporting", "report"}
    assert {name for name in shown if "param" not in name} == parts | evaluated | trained | ends


def test_every_node_has_the_colours_of_its_kind(nodes):
    colours: dict[str, Any] = {}
    for name, node in nodes.items():
        styles = (node["node_extras"] or {}).get("styles")
        assert styles, f"{name} has no entry in .viz/styles.json"
        assert colours.setdefault(kind(node), styles) == styles, name
    assert len({style["fill"] for style in colours.values()}) == len(colours) == 6


def test_styles_name_nodes_that_exist(site, nodes):
    styles = json.loads((site.parent / ".viz/styles.json").read_text())
    assert styles.keys() == nodes.keys()


def test_nothing_dangles(graphs):
    for graph in graphs.values():
        linked = {edge[end] for edge in graph["edges"] for end in ("source", "target")}
        assert linked == {node["id"] for node in graph["nodes"]}


def test_parameters_are_at_the_nodes_that_use_them(nodes):
    tasks = {name: node for name, node in nodes.items() if node["type"] == "task"}
    for node in tasks.values():
        sections = {name for name in node["inputs"] if name.startswith("params:")}
        if "parameters" not in node["inputs"]:
            assert sections == {f"params:{section}" for section in node["parameters"]}
    assert tasks["train_model"]["parameters"]["model"]["layers"] == [16]


def test_panels_show_names_and_docstrings(nodes):
    for name, node in nodes.items():
        if node["type"] == "task":
            assert re.match(rf'def {name}\(.*?:\n    """[A-Z]', node["code"], re.DOTALL), name
        elif node["type"] == "data":
            assert node["layer"], name


def test_tables_figures_metrics_and_the_model_have_previews(nodes):
    expected = {
        "RawLogDataset": "TablePreview",
        "EventsDataset": "TablePreview",
        "PartsDataset": "TablePreview",
        "CSVDataset": "TablePreview",
        "ParquetDataset": "TablePreview",
        "OptionalCSVDataset": "TablePreview",
        "OptionalParquetDataset": "TablePreview",
        "MetricsHistoryDataset": "TablePreview",
        "JSONDataset": "JSONPreview",
        "MetricsDataset": "JSONPreview",
        "YAMLDataset": "JSONPreview",
        "GRU4RecDataset": "JSONPreview",
        "PlotlyDataset": "PlotlyPreview",
        "StudyDataset": None,  # a handle
        "TextDataset": None,  # the report: a page of its own
        "ItemListDataset": None,  # by default there is none
        "CheckpointDataset": None,
        "PlaceDataset": None,
        "ModelPlaceDataset": "JSONPreview",
    }
    for name, node in nodes.items():
        if node["type"] == "data":
            assert node["preview_type"] == expected[node["dataset_type"].rpartition(".")[2]], name
            assert bool(node["preview"]) == bool(node["preview_type"]), name
    assert nodes["train"]["preview"]["columns"] == ["SessionId", "ItemId", "Time"]
    model = json.loads(nodes["model"]["preview"])
    assert model["architecture"][1] == "GRU layer 1, 16 units"
    assert [record["epoch"] for record in model["history"]] == [1]
