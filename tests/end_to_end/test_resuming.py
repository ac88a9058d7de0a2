"""Runs that are killed or interrupted: what they leave is whole, and a training goes on from it."""

import random
import signal
import subprocess
import sys
import time
from typing import NamedTuple

import pandas as pd
import pytest
import torch
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from gru4rec import GRU4Rec

CHECKPOINT = "data/test/06_models/checkpoint.pth"
# a log that the rest of the run does not read again; no machine ends the training first
ENDLESS = "events=data/01_raw/sample_clicks.csv,training.checkpoint_epochs=1,model.n_epochs=1000000"


class Ended(NamedTuple):
    code: int
    output: str
    epochs: int


@pytest.fixture(scope="module")
def project(new_project):
    return new_project()


@pytest.fixture(scope="module")
def start(project, environment):
    def process(*options):
        # a job in the background of a shell ignores Ctrl-C, and what it starts would, too
        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "kedro", "run", "--env", "test", *options],
                cwd=project,
                # as many threads as the process that goes on, or rounding would differ
                env=environment | {"OMP_NUM_THREADS": "1"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        finally:
            signal.signal(signal.SIGINT, before)

    return process


@pytest.fixture(scope="module")
def end_in_training(project, start):
    """Starts a run, and sends it a signal once it has written a checkpoint."""

    def written():
        path = project / CHECKPOINT
        return path.stat().st_mtime_ns if path.exists() else None

    def end(by, *options):
        before = written()
        process = start(*options)
        while process.poll() is None and written() == before:
            time.sleep(0.005)
        process.send_signal(by)
        output, _ = process.communicate(timeout=300)
        return Ended(process.returncode, output, len(GRU4Rec.load(project / CHECKPOINT).history))

    return end


def load_all(project):
    """Loads every file of the catalog, and returns the entries that are there."""
    bootstrap_project(project)
    with KedroSession.create(project, env="test") as session:
        catalog = session.load_context().catalog
        there = {name for name in catalog if ":" not in name and catalog.exists(name)}
        # the parts are there one by one, and are complete once all are
        for name in there - {"recommendations"}:
            catalog.load(name)
    for path in (project / "data/test/07_model_output/recommendations").glob("[!.]*.parquet"):
        pd.read_parquet(path)
    for path in (project / "data/test/06_models").glob("gru4rec.pth/*/*.pth"):
        GRU4Rec.load(path)
    return there


@pytest.fixture(scope="module")
def killed(project, end_in_training):
    ended = end_in_training(signal.SIGKILL, "--params", ENDLESS)
    return ended, load_all(project)


@pytest.fixture(scope="module")
def interrupted(killed, end_in_training):
    options = ("--from-nodes", "train_model", "--params", f"{ENDLESS},training.resume=true")
    return end_in_training(signal.SIGINT, *options)


def test_a_killed_run_leaves_no_broken_file_and_no_model(killed):
    ended, there = killed
    assert ended.code == -signal.SIGKILL, ended.output
    assert {"events", "train_full", "checkpoint"} <= there
    assert not there & {"model", "training_history", "metrics", "report"}


def test_ctrl_c_says_how_to_go_on(killed, interrupted):
    assert interrupted.code == 1, interrupted.output
    output = " ".join(interrupted.output.split())
    assert "Traceback" not in output
    assert CHECKPOINT in output
    assert "to go on, repeat the command, with its --env and --params" in output
    assert interrupted.epochs >= killed[0].epochs


def test_the_training_goes_on_as_if_it_had_never_been_ended(project, interrupted, run, assert_same):
    # the interrupted epoch has an end, too, and one more follows
    params = {"model": {"n_epochs": interrupted.epochs + 2}}
    for resume in (True, False):
        run(project, params | {"training": {"resume": resume}}, node_names=["train_model"])
    versions = sorted((project / "data/test/06_models/gru4rec.pth").glob("*/gru4rec.pth"))
    resumed, whole = (torch.load(path, weights_only=True) for path in versions)
    assert len(resumed["history"]) == interrupted.epochs + 2
    # when it was and how long it took
    timeless = {"notes": None, "history": None}
    assert_same(resumed | timeless, whole | timeless)


@pytest.mark.usefixtures("killed")  # which has made the parts of the log
def test_sigterm_ends_a_training_with_a_checkpoint_and_143(end_in_training):
    ended = end_in_training(signal.SIGTERM, "--from-nodes", "train_model", "--params", ENDLESS)
    assert ended.code == 143, ended.output
    output = " ".join(ended.output.split())
    assert "Traceback" not in output
    assert "training was ended by SIGTERM; the last checkpoint, " in output
    assert "to go on, repeat the command, with its --env and --params" in output


@pytest.mark.soak
def test_runs_killed_at_any_moment_leave_whole_files(new_project, environment):
    project = new_project()
    moments = random.Random(1)  # noqa: S311  (no secrets)

    def start(number):
        pipelines = ("--pipelines", "recommendation") if number % 3 == 2 else ()
        # with other items, or the parts would be left as they are
        params = f"recommendation.k={number + 1}"
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--env", "test", *pipelines, "--params", params],
            cwd=project,
            env=environment,
        )

    def seconds_of(number):
        begun = time.monotonic()
        assert start(number).wait() == 0
        return time.monotonic() - begun

    seconds = [seconds_of(0), seconds_of(0), seconds_of(2)]
    for number in range(25):
        process = start(number)
        time.sleep(moments.uniform(0.2, 1) * seconds[number % 3])
        process.kill()
        process.wait()
        print(number, process.returncode, sorted(load_all(project)))
    assert start(0).wait() == 0
    assert start(2).wait() == 0
    assert {"model", "report", "recommendations"} <= load_all(project)
