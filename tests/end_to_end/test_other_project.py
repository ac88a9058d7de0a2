"""The package, installed from its wheel, in a Kedro project that is not this one."""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd
import pytest

import gru4rec
import gru4rec_kedro
from gru4rec import GRU4Rec

ROOT = Path(__file__).parents[2]
LOG = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 8, 9], "Time": [1, 2, 3, 4]})

FILES = {
    "pyproject.toml": """
[tool.kedro]
package_name = "shop"
project_name = "shop"
kedro_init_version = "1.7.0"
""",
    "src/shop/__init__.py": "",
    "src/shop/settings.py": "",
    "src/shop/pipeline_registry.py": """
from kedro.pipeline import Node, Pipeline

from shop.nodes import recommend_next


def register_pipelines():
    node = Node(recommend_next, ["recommender", "sessions"], "recommendations")
    return {"__default__": Pipeline([node])}
""",
    "conf/local/.gitkeep": "",
    "conf/base/catalog_of_the_shop.yml": """
sessions:
  type: pandas.CSVDataset
  filepath: data/sessions.csv

recommendations:
  type: pandas.CSVDataset
  filepath: data/recommendations.csv
""",
}


def run(*command: str, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        **options,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    source = tmp_path_factory.mktemp("source")  # building leaves files beside the source
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", source / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    run("-m", "build", "--wheel", "--no-isolation", "--outdir", str(source / "dist"), str(source))
    return next((source / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), str(wheel))
    return folder


def test_wheel_has_all_files_of_both_packages(wheel):
    packed = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        str(path.relative_to(ROOT / "src"))
        for pattern in ("*.py", "*.html", "*.pyi", "*.yml", "py.typed")
        for path in (ROOT / "src").rglob(pattern)
    }
    assert {name for name in packed if ".dist-info/" not in name} == expected


def test_wheel_and_both_packages_have_one_version(wheel):
    assert wheel.name.split("-")[1] == gru4rec.__version__ == gru4rec_kedro.__version__


def test_the_commands_come_with_the_wheel(installed):
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    told = run(str(installed / "bin/gru4rec"), "--version", env=environment).stdout
    assert told.strip() == gru4rec.__version__
    told = run(str(installed / "bin/gru4rec-kedro"), "--help", env=environment).stdout
    assert "--conf-source" in told


def example(language: str, containing: str) -> str:
    text = (ROOT / "docs/extending.md").read_text()
    blocks = re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return next(block for block in blocks if containing in block)


def test_packaged_run_logs_as_the_project_does_and_reports_nothing_to_kedro(installed, tmp_path):
    ours = ("DO_NOT_TRACK", "KEDRO_DISABLE_TELEMETRY", "KEDRO_LOGGING_CONFIG")
    environment = {name: value for name, value in os.environ.items() if name not in ours}
    with tarfile.open(tmp_path / "conf.tar.gz", "w:gz") as archive:
        archive.add(ROOT / "conf", "conf")
    done = run(
        "-m",
        "gru4rec_kedro",
        "--conf-source=conf.tar.gz",
        "--nodes=preparation.load_log",
        f"--params=events={ROOT / 'data/01_raw/sample_clicks.csv'}",
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(installed)},
    )
    lines = (done.stdout + done.stderr).splitlines()
    assert re.fullmatch(r"[\d:]{8} INFO    Kedro project .*", lines[0])
    assert not [line for line in lines if "usage data" in line or "DEBUG" in line]


def test_documented_catalog_entry_recommends_in_another_project(installed, tmp_path):
    project = tmp_path / "project"
    nodes = "import pandas as pd\n" + example("python", "def recommend_next")
    files = FILES | {
        "conf/base/catalog.yml": example("yaml", "recommender:"),
        "src/shop/nodes.py": nodes,
    }
    for name, content in files.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)
    gru = GRU4Rec(layers=[4], n_sample=4, n_epochs=1, device="cpu").fit(LOG)
    (project / "data/06_models").mkdir(parents=True)
    gru.save(project / "data/06_models/gru4rec.pth")
    LOG.to_csv(project / "data/sessions.csv", index=False)

    environment = {**os.environ, "PYTHONPATH": str(installed), "DO_NOT_TRACK": "1"}
    where = run(
        "-c", "import gru4rec; print(gru4rec.__file__)", cwd=project, env=environment
    ).stdout
    assert where.startswith(str(installed))
    run("-m", "kedro", "run", cwd=project, env=environment)

    made = pd.read_csv(project / "data/recommendations.csv")
    expected = gru.recommend(LOG.groupby("SessionId")["ItemId"].agg(list), k=5)
    pd.testing.assert_frame_equal(made, expected, check_dtype=False)
