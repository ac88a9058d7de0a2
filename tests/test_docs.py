"""The documentation is true: examples run, links lead somewhere, all options are there."""

import doctest
import importlib
import pkgutil
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from gru4rec import Config
from gru4rec.config import Section
from gru4rec_kedro import pipelines
from gru4rec_kedro.options.parameters import Parameters

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGE_IDS = [str(page.relative_to(ROOT)) for page in PAGES]
COMMON = {"n_sample": 2048, "n_epochs": 10}  # options of all published experiments
SECTIONS = {
    name: field.annotation
    for model in (Parameters, Config)
    for name, field in model.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.name)
def test_examples_run(page, tmp_path, monkeypatch):
    for name in ("conf/example.yaml", "data/01_raw/sample_clicks.csv"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    namespace = {"__name__": page.stem}
    for number, block in enumerate(blocks(page, "python"), start=1):
        exec(compile(block, f"{page.name}, block {number}", "exec"), namespace)  # noqa: S102


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_yaml_examples_are_yaml(page):
    for block in blocks(page, "ya?ml"):
        assert isinstance(yaml.safe_load(block), dict)


def modules() -> Iterator[str]:
    for package in ("gru4rec", "gru4rec_kedro"):
        for path in sorted((ROOT / "src" / package).rglob("*.py")):
            if ">>>" in path.read_text():
                yield ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


@pytest.mark.parametrize("name", list(modules()))
def test_docstring_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module(name.removesuffix(".__init__"))
    results = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert results.attempted > 0
    assert results.failed == 0


def anchors(page: Path) -> set[str]:
    """What GitHub makes of headings: lower case, spaces to hyphens, no punctuation."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        linked = page.parent / path if path else page
        assert linked.exists(), target
        if anchor:
            assert anchor in anchors(linked), target


@pytest.mark.parametrize("page", PAGES, ids=PAGE_IDS)
def test_names_of_code_and_files_exist(page):
    for quoted in re.findall(r"`([^`\n]+)`", prose(page)):
        if re.fullmatch(r"gru4rec(_kedro)?(\.\w+)+", quoted):
            pkgutil.resolve_name(quoted)
        elif re.fullmatch(r"(src|tests|conf/base|docs|notebooks)/[\w./]+", quoted):
            assert (ROOT / quoted).exists(), quoted


def test_every_page_is_in_the_index():
    index = (ROOT / "docs/README.md").read_text()
    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} == set(
        re.findall(r"^\| \[[^]]+\]\((\w+\.md)\)", index, re.MULTILINE)
    )


@pytest.mark.parametrize("name", [of.name for of in pkgutil.iter_modules(pipelines.__path__)])
def test_every_pipeline_is_explained_with_a_picture(name):
    page = (ROOT / "docs/pipelines.md").read_text()
    [_, explained] = page.split(f"\n### {name}\n")
    picture = f"figures/pipeline_{name}.png"
    assert re.match(rf"\n\w[^!]+\n\[!\[.{{20,}}\]\({picture}\)\]\({picture}\)\n", explained)


def test_configuration_page_has_every_option_with_its_default():
    text = (ROOT / "docs/configuration.md").read_text()
    documented = {}
    for part in text.split("\n## ")[1:]:
        rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| \S.* \|$", part, re.MULTILINE)
        if rows:
            name = part.partition("\n")[0]
            documented[name] = [(option, yaml.safe_load(default)) for option, default in rows]
    expected = {name: list(section().model_dump().items()) for name, section in SECTIONS.items()}
    assert documented == expected
    named = set(re.findall(r"^\| `(\w+)` \| [^|`]", text, re.MULTILINE))
    assert named == Parameters.model_fields.keys() - SECTIONS.keys()


def table(page: Path, heading: str) -> dict[str, dict[str, str]]:
    """The first table below a heading: cells by the first column and the name of theirs."""
    part = prose(page).partition(f"\n## {heading}\n")[2]
    header, _, *rows = [
        [cell.strip(" `") for cell in line.strip("|").split("|")]
        for line in part.partition("\n## ")[0].splitlines()
        if line.startswith("|")
    ]
    return {row[0]: dict(zip(header[1:], row[1:], strict=True)) for row in rows}


def test_reproducing_page_has_the_options_and_results_of_the_environments():
    page = ROOT / "docs/reproducing.md"
    parameters = {
        path.parent.name: yaml.safe_load(path.read_text())
        for path in (ROOT / "conf").glob("*/parameters.yml")
        if "published" in yaml.safe_load(path.read_text()) and path.parent.name != "base"
    }
    options = {
        name: {option: yaml.safe_load(cell) for option, cell in row.items() if cell}
        for name, row in table(page, "Options").items()
    }
    assert options == {
        name: {
            **{key: value for key, value in of["model"].items() if key not in COMMON},
            "layers": of["model"]["layers"][0],
        }
        for name, of in parameters.items()
    }
    assert all({key: of["model"][key] for key in COMMON} == COMMON for of in parameters.values())
    results = {
        name: {
            f"@{k}": f"{recall:.4f} / {of['published']['mrr'][k]:.4f}".replace("0.", ".")
            for k, recall in of["published"]["recall"].items()
        }
        for name, of in parameters.items()
    }
    assert table(page, "Published results") == results
