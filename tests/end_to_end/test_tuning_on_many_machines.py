"""Processes that share nothing but a PostgreSQL: each has a project, and outputs, of its own."""

import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml

from gru4rec_kedro.datasets import StudyDataset

pytest.importorskip("optuna")
pytest.importorskip("psycopg")

N_TRIALS = 8
GRACE_SECONDS = 6
TUNING = {"n_trials": N_TRIALS, "n_startup_trials": N_TRIALS, "repeats": 1}
MODEL = {"n_epochs": 4}  # trials of some seconds, so that one can be killed in its middle
PROGRAMS = Path(
    shutil.which("initdb")
    or next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), "none")
).parent
FAKETIME = next(
    (file for site in site.getsitepackages() for file in Path(site).glob("libfaketime/**/*.so.1")),
    None,
)


@pytest.fixture(scope="module")
def database():
    """The address of a PostgreSQL that ends with the tests; as root it runs as `postgres`."""
    if not (PROGRAMS / "initdb").exists():
        pytest.skip("PostgreSQL is not installed")
    as_user = {"user": "postgres"} if os.getuid() == 0 else {}
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="postgresql"))  # others may not enter pytest's
    (folder / "password").write_text("secret")
    if as_user:
        shutil.chown(folder, "postgres")

    def call(program, *arguments):
        command = [str(PROGRAMS / program), "-D", f"{folder}/data", *arguments]
        # a file: a server that stays behind would hold a pipe open
        with (folder / "log").open("a") as log:
            done = subprocess.run(
                command, cwd=folder, stdout=log, stderr=log, check=False, **as_user
            )
        assert done.returncode == 0, (folder / "log").read_text()

    options = f"-c listen_addresses=127.0.0.1 -p {port} -k {folder} -c fsync=off"
    try:
        call("initdb", "-U", "tuner", "-A", "scram-sha-256", f"--pwfile={folder}/password")
        call("pg_ctl", "-o", options, "-w", "start")
        yield f"postgresql+psycopg://tuner:secret@127.0.0.1:{port}/postgres"
        call("pg_ctl", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def machines(new_project, run, database):
    """Four projects with the same parts."""
    first = new_project()
    shutil.rmtree(first / "src/gru4rec")  # the one that is installed has its loops compiled
    log = first / "data/01_raw/sample_clicks.csv"
    log.write_text("\n".join(log.read_text().splitlines()[:40_000]))
    run(first, pipeline_names=["data_engineering"])
    catalog = yaml.safe_load((first / "conf/base/catalog.yml").read_text())
    entry = catalog["study_store"] | {"grace_seconds": GRACE_SECONDS}
    parameters = yaml.safe_load((first / "conf/test/parameters.yml").read_text())
    for name, content in {
        "catalog": {"study_store": entry},
        "credentials": {"study_store": {"url": database}},
        "parameters": parameters
        | {"tuning": parameters["tuning"] | TUNING, "model": parameters["model"] | MODEL},
    }.items():
        (first / f"conf/test/{name}.yml").write_text(yaml.safe_dump(content))
    others = [first.with_name(f"{first.name}-{n}") for n in range(1, 4)]
    for other in others:
        shutil.copytree(first, other)
    return [first, *others]


def start(machine, environment, **variables):
    command = [sys.executable, "-m", "kedro", "run", "--pipelines", "tuning"]
    with (machine / "log").open("w") as log:
        return subprocess.Popen(
            command, cwd=machine, env={**environment, **variables}, stdout=log, stderr=log
        )


def kill_in_a_trial(process, states):
    """Kills a process while the store has a trial of it that is running."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        process.send_signal(signal.SIGSTOP)
        mine = [t for t in states() if t.user_attrs.get("process", "").endswith(f":{process.pid}")]
        if mine and not mine[-1].state.is_finished():
            process.kill()
            process.wait()
            return mine[-1].number
        process.send_signal(signal.SIGCONT)
        time.sleep(0.2)
    raise AssertionError("the process began no trial")


@pytest.fixture
def store(database):
    store = StudyDataset(filepath="unused", credentials={"url": database}).load()
    yield store
    store.remove_session()
    store.engine.dispose()


@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed")
def test_four_processes_one_killed_and_one_with_a_wrong_clock(machines, store, environment):
    def studies():
        return {s.study_name: store.get_all_trials(s._study_id) for s in store.get_all_studies()}

    def searched():
        return next((t for name, t in studies().items() if name.startswith("gru4rec-")), [])

    ahead = {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME": "+1h", "DONT_FAKE_MONOTONIC": "1"
    }  # fmt: skip
    processes = [start(machine, environment) for machine in machines[:3]]
    processes.append(start(machines[3], environment, **ahead))
    try:
        killed = kill_in_a_trial(processes[0], searched)
        codes = [process.wait(timeout=300) for process in processes]
    finally:
        for process in processes:
            process.kill()
    logs = [(machine / "log").read_text() for machine in machines]
    assert codes == [-signal.SIGKILL, 0, 0, 0], logs

    trials = searched()
    states = Counter(trial.state.name for trial in trials)
    assert states["COMPLETE"] == N_TRIALS
    assert trials[killed].state.name == "FAIL"
    assert states.keys() == {"COMPLETE", "FAIL"}
    complete = [trial for trial in trials if trial.value is not None]
    assert len({tuple(sorted(trial.params.items())) for trial in complete}) == N_TRIALS
    ends = sorted(trial.datetime_complete for trial in complete)
    assert (ends[-1] - ends[0]).total_seconds() > 3000  # one clock was an hour ahead

    (gain,) = (t for name, t in studies().items() if name.startswith("gain-"))
    assert [trial.state.name for trial in gain].count("COMPLETE") == 1
    for name, read in {"tuning_trials.csv": pd.read_csv, "tuning_gain.json": load_json}.items():
        one, *others = [read(m / "data/test/08_reporting" / name) for m in machines[1:]]
        assert len(one) == {"tuning_trials.csv": N_TRIALS}.get(name, len(one))
        assert all(str(other) == str(one) for other in others)


def load_json(path):
    return json.loads(path.read_text())
