"""What docs/deploying.md says of other places to run in is true."""

import json
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from gru4rec_kedro.__main__ import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/deploying.md").read_text()
MEASURED = ("seconds", "memory", "per_second", "trained_at")


@pytest.fixture(autouse=True)
def _names_of_pipelines() -> None:
    bootstrap_project(ROOT)


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def run_options(arguments: list[str]) -> dict[str, object]:
    """Options of `kedro run`, as its own command reads them."""
    return kedro_run.make_context("run", list(arguments)).params


def documented_tasks() -> list[dict]:
    [bundle] = [block for block in blocks("yaml") if "python_wheel_task" in block]
    bundle = bundle.replace("/Volumes/shop/recommender/conf", str(ROOT / "conf"))
    [job] = yaml.safe_load(bundle)["resources"]["jobs"].values()
    return job["tasks"]


def test_a_task_for_each_group_gives_what_one_run_gives(new_project, run):
    whole, parts = new_project(), new_project()
    for project in (whole, parts):
        log = project / "data/01_raw/sample_clicks.csv"
        log.write_text("\n".join(log.read_text().splitlines()[:8_000]))
    run(whole)
    bootstrap_project(parts)
    groups = {group.name: group for group in pipelines["__default__"].group_nodes_by("namespace")}
    tasks = documented_tasks()
    assert {task["task_key"] for task in tasks} == groups.keys()
    done = set()
    for task in tasks:
        before = {other["task_key"] for other in task.get("depends_on", [])}
        assert set(groups[task["task_key"]].dependencies) <= before <= done
        options = run_options(task["python_wheel_task"]["parameters"])
        run(parts, namespaces=options["namespaces"] or None, node_names=options["node_names"])
        done.add(task["task_key"])

    one, other = (outputs(project / "data/test") for project in (whole, parts))
    assert one.keys() == other.keys()
    assert {name for name in one if one[name] != other[name]} == set()


def outputs(folder: Path) -> dict[str, object]:
    """What a run has written, without what it measured of itself; versions by the name alone."""
    found: dict[str, object] = {}
    for file in filter(Path.is_file, folder.rglob("*")):
        name = re.sub(r"/\d{4}-[^/]+Z/", "/", f"/{file.relative_to(folder)}")
        found[name] = None  # of a model and a page: that they are there
        if file.suffix == ".parquet":
            table = pd.read_parquet(file)  # rows of a part have no order
            found[name] = table.sort_values(list(table)).to_csv(index=False)
        elif file.name == "metrics.json":
            found[name] = without_measured(json.loads(file.read_text()))
        elif file.suffix == ".csv":
            table = pd.read_csv(file)
            found[name] = table[list(without_measured(dict.fromkeys(table)))].to_csv(index=False)
        elif file.suffix == ".json":
            found[name] = file.read_text()
    return found


def without_measured(values: object) -> object:
    if isinstance(values, dict):
        return {
            name: without_measured(value)
            for name, value in values.items()
            if not any(part in name for part in MEASURED)
        }
    return [*map(without_measured, values)] if isinstance(values, list) else values


def test_called_from_python_it_returns(new_project, in_folder):
    project = new_project()
    in_folder(project)
    [block] = blocks("py")
    namespace = {}
    exec(compile(block, "deploying.md", "exec"), namespace)  # noqa: S102
    assert namespace["main"] is main
    assert namespace["made"]["split_statistics"].exists()


def test_each_command_is_understood():
    commands = [line.strip() for block in blocks("sh") for line in block.splitlines()]
    [dag] = [re.findall(r'"(--\w+ \w+)"', block) for block in blocks("py3")]
    tasks = {" ".join(task["python_wheel_task"]["parameters"][-2:]) for task in documented_tasks()}
    assert set(dag) == tasks
    assert tasks <= {command.partition("kedro run ")[2] for command in commands}
    runs = [shlex.split(line.partition("#")[0]) for line in commands if "kedro run" in line]
    assert len(runs) > 4
    for words in runs:
        arguments = words[words.index("run", words.index("kedro")) + 1 :]
        assert set(run_options(arguments)["pipelines"]) <= set(pipelines)


def test_the_container_has_the_extras_and_files_that_it_names():
    recipe = (ROOT / "Dockerfile").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"--extra (\w+)", recipe)
    assert named
    assert set(named) <= extras.keys()
    sources = re.findall(r"^COPY ((?!--from).*) \S+$", recipe, re.MULTILINE)
    let_in = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    for source in " ".join(sources).split():
        assert (ROOT / source).exists()
        assert source in let_in
    assert json.loads(re.findall(r"^CMD (.*)$", recipe, re.MULTILINE)[0]) == ["kedro", "run"]


def test_the_services_are_commands_of_the_project():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    own = {name: service for name, service in services.items() if service["image"] == "gru4rec"}
    assert own.keys() == {"preparation", "worker"}
    for service in own.values():
        assert service["command"][:2] == ["kedro", "run"]
        options = run_options(service["command"][2:])
        assert (ROOT / "conf" / options["env"]).is_dir()
        assert set(options["pipelines"]) <= set(pipelines)
    url = yaml.safe_load((ROOT / "conf/compose/credentials.yml").read_text())["study_store"]["url"]
    assert url.removeprefix("${oc.env:").removesuffix("}") in own["worker"]["environment"]


def wait_for_answers(port: int) -> None:
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not answer")


def test_kedros_server_runs_again_and_tells_mistakes(new_project, environment):
    pytest.importorskip("fastapi")
    project = new_project()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "kedro", "server", "start", "--port", str(port), "--env", "test"],
        cwd=project,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def ask(request: dict) -> dict:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port}/run",
            json.dumps(request).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=100) as answer:  # noqa: S310
            return json.load(answer)

    try:
        wait_for_answers(port)
        [body] = re.findall(r"server.*?/run.*?-d '(.*?)'", "".join(blocks("sh")), re.DOTALL)
        assert ask(json.loads(body))["status"] == "success"
        failed = ask({"params": {"model": {"n_epoch": 3}}})
        assert failed["status"] == "failure"
        assert "did you mean 'n_epochs'" in failed["error"]["message"]
        assert ask({"node_names": ["reporting.describe_log"]})["status"] == "success"
    finally:
        server.terminate()
        server.wait()
