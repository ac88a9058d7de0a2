"""A copy of the project, in which everything may be run and written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

ROOT = Path(__file__).parents[2]
os.environ |= {"DO_NOT_TRACK": "1", "KEDRO_DISABLE_TELEMETRY": "1"}
ENVIRONMENT = {
    **os.environ,
    "KEDRO_ENV": "test",
    "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
}


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Path]:
    def copy() -> Path:
        path = tmp_path_factory.mktemp("project")
        for name in ("conf", "notebooks", "src"):
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, path / name, ignore=ignored)
        for name in ("data/01_raw/sample_clicks.csv", ".viz/styles.json", "pyproject.toml"):
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, path / name)
        return path

    return copy


@pytest.fixture(scope="module")
def in_folder() -> Iterator[Callable[[Path], None]]:
    before = Path.cwd()
    yield os.chdir
    os.chdir(before)


@pytest.fixture(scope="module")
def run(in_folder: Callable[[Path], None]) -> Callable[..., dict[str, Any]]:
    def run_pipeline(
        project: Path, params: dict[str, Any] | None = None, env: str = "test", **options: Any
    ) -> Any:
        in_folder(project)
        bootstrap_project(project)
        with KedroSession.create(project, env=env, runtime_params=params) as session:
            session.run(**options)

    return run_pipeline


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    return ENVIRONMENT


@pytest.fixture(scope="session")
def kedro() -> Callable[..., subprocess.CompletedProcess[str]]:
    def command(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "kedro", *arguments],
            cwd=project,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return command
