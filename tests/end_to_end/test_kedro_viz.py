"""The pipelines as kedro-viz shows them, read from its site; and the pages that they make."""

import json
import re
import shutil
import sys
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pkgutil import iter_modules
from threading import Thread
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

NOT_MADE = {"items"}  # whose owner may give a file

AXE = Path(sys.prefix) / "node_modules/axe-core/axe.min.js"
PAGES = ("report", "backtest", "promotion")


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
    is_page = node["dataset_type"].endswith((".PlotlyDataset", ".PageDataset"))
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
    parts = {"train", "valid", "test", "train_full", "data_quality", "data_origin", "log_names"}
    evaluated = {"metrics", "metrics_history", "ranked_events", "item_statistics"}
    evaluated |= {"baseline_metrics", "baseline_ranks"}
    evaluated |= {"evaluate_baselines", "choose_examples", "example_sessions", "items"}
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
        "MetricsDataset": "TablePreview",
        "YAMLDataset": "JSONPreview",
        "GRU4RecDataset": "JSONPreview",
        "PlotlyDataset": "PlotlyPreview",
        "StudyDataset": None,  # a handle
        "PageDataset": "HTMLPreview",
        "OptionalJSONDataset": "JSONPreview",
        "ItemsDataset": "TablePreview",
        "MemoryDataset": None,
        "ItemListDataset": None,  # by default there is none
        "CheckpointDataset": None,
        "LocalFolderDataset": None,
        "ModelPlaceDataset": "JSONPreview",
    }
    for name, node in nodes.items():
        if node["type"] == "data":
            assert node["preview_type"] == expected[node["dataset_type"].rpartition(".")[2]], name
            is_made = node["preview_type"] and name not in NOT_MADE
            assert bool(node["preview"]) == bool(is_made), name
    assert nodes["train"]["preview"]["columns"] == ["SessionId", "ItemId", "Time"]
    model = json.loads(nodes["model"]["preview"])
    assert model["architecture"][1] == "GRU layer 1, 16 units"
    assert [record["epoch"] for record in model["history"]] == [1]


@pytest.fixture(scope="module")
def tab(browser):
    with browser() as page:
        yield page


@pytest.mark.skipif(not AXE.is_file(), reason=f"no axe-core in {AXE.parents[1]}")
@pytest.mark.parametrize("name", PAGES)
def test_pages_are_accessible(site, tab, name):
    page = site.parent / f"data/test/08_reporting/{name}.html"
    for width in (1280, 400):
        for scheme in ("light", "dark"):
            tab.open(page.as_uri(), width, scheme=scheme)
            tab.run("document.querySelectorAll('details').forEach(part => part.open = true)")
            tab.run(AXE.read_text())
            found = tab.run("axe.run(document, {resultTypes: ['violations']})")
            assert found["testEngine"]["name"] == "axe-core"
            serious = [
                (of["id"], of["help"], [node["html"][:200] for node in of["nodes"]])
                for of in found["violations"]
                if of["impact"] in {"serious", "critical"}
            ]
            assert not serious, (width, scheme)
            assert tab.run("document.documentElement.scrollWidth") <= width


def test_a_reader_chooses_the_cutoff(site, tab):
    tab.open((site.parent / "data/test/08_reporting/report.html").as_uri())
    shown = "[...document.querySelectorAll('.headline [data-k]:not([hidden])')]"
    titles = f"{shown}.map(card => card.firstChild.textContent.trim())"
    assert tab.run(titles)[:2] == ["Recall@20", "MRR@20"]
    tab.run("[...document.querySelectorAll('.choice button')][1].click()")
    assert tab.run(titles)[:2] == ["Recall@5", "MRR@5"]
    rows = "[...document.querySelectorAll('tr[data-k]:not([hidden])')].map(row => row.dataset.k)"
    assert set(tab.run(rows)) == {"5"}


def test_the_site_opens_from_a_file_server(site, tab):
    handler = partial(SimpleHTTPRequestHandler, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            tab.open(f"http://127.0.0.1:{server.server_port}/")
            drawn = tab.run(
                """new Promise((done, fail) => {
                  const look = () => {
                    const nodes = document.querySelectorAll(".pipeline-node").length;
                    nodes ? done(nodes) : setTimeout(look, 50);
                  };
                  look();
                })"""
            )
        finally:
            server.shutdown()
            thread.join()
    assert drawn > 10
