"""The pages of docs/ as a site, built as `make docs` builds it."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        check=True,  # strict: a link that leads nowhere, or a name that is not there, fails
        timeout=600,
    )
    return folder


def test_every_page_is_there(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"README"}
    assert pages | {"index", "api", "contributing", "changelog", "404"} == {
        path.stem for path in site.glob("*.html")
    }


def test_names_have_their_signatures(site):
    text = re.sub(r"<[^>]+>", "", (site / "api.html").read_text())
    assert re.search(r"fit\(\s*data", text)
    assert "Popularity" in text


def test_formulas_are_drawn_by_the_browser(site):
    page = (site / "algorithm.html").read_text()
    assert page.count("<math") > 30
    assert "$" not in re.sub(r"<(code|script)\b.*?</\1>", "", page, flags=re.DOTALL)


def test_nothing_is_loaded_from_the_network(site):
    for page in site.glob("*.html"):
        loaded = re.findall(
            r"<(?:script|img|link)[^>]+(?:src|href)=\"?(https?:[^\" >]+)", page.read_text()
        )
        assert not loaded, page.name


def test_figures_are_as_their_script_draws_them(tmp_path):
    script = runpy.run_path(str(ROOT / "docs/draw_figures.py"))
    script["draw_lanes"].__globals__["FOLDER"] = tmp_path
    script["draw_lanes"]()
    script["draw_step"]()
    drawn = {path.name: path.read_text() for path in tmp_path.iterdir()}
    kept = (ROOT / "docs/figures").glob("*.svg")  # the others are pictures of the browser
    assert drawn == {path.name: path.read_text() for path in kept}
