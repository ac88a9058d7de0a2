"""Children of a process whose threads have computed answer, train and end instead of hanging."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")

FOLDER = Path(__file__).parent
SECONDS = 120


@contextlib.contextmanager
def started(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A process on two threads; at the end it is killed, and with it its children."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=FOLDER,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("way", ["fork", "multiprocessing"])
def test_a_forked_child_does_all_that_its_parent_did(way: str) -> None:
    with started("forking_parent.py", way) as process:
        output, _ = process.communicate(timeout=SECONDS)  # raises where the child hangs
    assert (output.splitlines()[-1], process.returncode) == ("end", 0), output


@pytest.mark.skipif(find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_workers_of_gunicorn_answer_from_a_model_that_was_made_before_them() -> None:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        path = f"{folder}/socket"
        options = ["--preload", "--no-control-socket", f"--bind=unix:{path}"]
        with started("-m", "gunicorn", *options, "preloaded_app:application") as process:
            assert process.stdout is not None
            before = []
            while not any("Listening at" in line for line in before):
                before.append(process.stdout.readline())
                assert before[-1], "".join(before)  # it has ended
            with socket.socket(socket.AF_UNIX) as connected:
                connected.settimeout(SECONDS)
                connected.connect(path)
                server = http.client.HTTPConnection("localhost")
                server.sock = connected
                server.request("GET", "/")
                assert server.getresponse().read() == b"500"
            process.terminate()
            output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert "Worker exiting" in output
