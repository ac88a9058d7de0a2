"""Notebooks run from top to bottom, draw all their figures, and are stored without outputs."""

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from plotly.offline import get_plotlyjs

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
FIGURE = "application/vnd.plotly.v1+json"

NO_NETWORK = "--host-resolver-rules=MAP * ~NOTFOUND"
# draws a figure as JupyterLab does, from its data, and counts what has come of it
DRAW = """<div></div><script>{
    const place = document.currentScript.previousElementSibling, figure = FIGURE;
    drawn.push(Plotly.newPlot(place, figure.data, figure.layout).then(() =>
        place.querySelectorAll(".point, .points path, .box, .hm image, .lines path").length));
}</script>"""


@pytest.fixture(scope="module", params=NOTEBOOKS)
def executed(request, new_project, environment) -> Any:
    folder = new_project() / "notebooks"
    notebook = nbformat.read(folder / request.param, as_version=4)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=300, resources=resources).execute(env=environment)
    return notebook


def outputs(notebook: Any) -> list[Any]:
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_notebook_runs(executed):
    assert not [output for output in outputs(executed) if "ename" in output]


def test_what_is_logged_is_short(executed):
    """The project's logging, not Kedro's, which has a page of HTML for each line."""
    runs = [cell for cell in executed.cells if cell.source.startswith("session.run()")]
    if not runs:
        pytest.skip("it runs no pipelines")
    [run] = runs
    told = "".join(output.get("text", "") for output in run.outputs)
    assert re.search(r"INFO +Epoch 1: loss", told)
    assert re.search(r"INFO +Node (\d+) of \1: ", told)
    assert "Results\n" in told
    assert "WARNING" not in told
    assert not [o for o in run.outputs if o.get("name") == "stderr"]
    # what is left of progress bars is empty
    assert not [o for o in run.outputs if o.get("data", {}).get("text/html")]


def test_every_figure_is_drawn_without_a_network(executed, browser, tmp_path):
    figures = [o.data[FIGURE] for o in outputs(executed) if FIGURE in o.get("data", {})]
    tables = [o.data.get("text/html", "") for o in outputs(executed) if "data" in o]
    if "plotly" in str([cell.source for cell in executed.cells]):
        assert figures
    drawn = [DRAW.replace("FIGURE", json.dumps(figure)) for figure in figures]
    tables = [html for html in tables if "plotly" not in html]
    assert not re.search(r"(src|href)=.?(https?:)?//", "".join(tables))
    page = tmp_path / "notebook.html"
    script = f"<script>{get_plotlyjs()}; const drawn = [];</script>"
    page.write_text("\n".join(['<!doctype html><meta charset="utf-8">', script, *tables, *drawn]))
    with browser(NO_NETWORK) as tab:
        tab.open(page.as_uri())
        marks = tab.run("Promise.all(drawn)")
    assert len(marks) == len(figures)
    assert all(marks)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_notebook_is_stored_without_outputs(name):
    notebook = nbformat.read(ROOT / "notebooks" / name, as_version=4)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
