"""A real Redis, and models that are quick to train."""

import contextlib
import itertools
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec import GRU4Rec


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(is_there: Callable[[], Any], seconds: float = 120) -> Any:
    """What a function returns as soon as that is true."""
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        if found := is_there():
            return found
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s")


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    return _wait_for


def answers(port: int) -> bool:
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


class RedisServer:
    """A process of its own that can be ended and started again, with an append-only file."""

    def __init__(self, program: str, folder: Path) -> None:
        self.port = free_port()
        self.address = f"redis://127.0.0.1:{self.port}/0"
        self._command = [program, "--port", str(self.port), "--bind", "127.0.0.1"]
        self._command += ["--dir", str(folder), "--save", "", "--appendonly", "yes"]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        _wait_for(lambda: answers(self.port))

    def end(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait()

    def freeze(self) -> None:
        """Connections stay, answers do not come."""
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisServer]:
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        pytest.skip("neither redis-server nor valkey-server is installed")
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(program, folder)
    server.start()
    yield server
    server.thaw()
    server.end()


@pytest.fixture(scope="session")
def fit() -> Callable[..., GRU4Rec]:
    return _fitted


def _fitted(as_text: bool = False, n_items: int = 30, seed: int = 42, **options: Any) -> GRU4Rec:
    """A model of items 0, 1, … or "item 0", "item 1", …."""
    rng = np.random.default_rng(0)
    log = {"SessionId": np.arange(8 * n_items) // 4, "Time": np.arange(8 * n_items)}
    events = pd.DataFrame({**log, "ItemId": rng.permutation(8 * n_items) % n_items})
    if as_text:
        events["ItemId"] = "item " + events["ItemId"].astype(str)
    options = {"layers": [6], "n_sample": 8, "n_epochs": 1, "device": "cpu", **options}
    return GRU4Rec(seed=seed, **options).fit(events)


_STARTED = "Application startup complete"


class Server:
    """`gru4rec serve` as a process of its own."""

    def __init__(self, model: Path, *arguments: str, open_files: int | None = None) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "gru4rec", "serve", str(model), "--port", str(self.port)]
        self._command = [*command, "--device", "cpu", *arguments]
        if open_files:
            limited = f'ulimit -S -n {open_files} && exec "$0" "$@"'
            self._command = ["sh", "-c", limited, *self._command]
        self._env = {**os.environ, "OMP_NUM_THREADS": "1"}
        self._log = model.parent / f"server-{self.port}.log"
        self._log.touch()
        given = dict(itertools.pairwise(arguments))
        self._n_workers = int(given.get("--workers", 1))
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text()

    def start(self) -> "Server":
        """Starts it, and waits until all workers answer."""
        wanted = self.log.count(_STARTED) + self._n_workers
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=self._env, start_new_session=True
            )
        # one worker starts before it listens, several afterwards
        _wait_for(
            lambda: (
                (self.log.count(_STARTED) == wanted and answers(self.port))
                or self.process.poll() is not None
            )
        )
        assert self.process.poll() is None, self.log
        return self

    def kill(self) -> None:
        assert self.process
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # its workers, too
        self.process.wait()


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the file `model.pth` in the test's folder."""
    servers = []

    def started(*arguments: str, open_files: int | None = None) -> Server:
        servers.append(Server(tmp_path / "model.pth", *arguments, open_files=open_files))
        return servers[-1].start()

    yield started
    for server in servers:
        server.kill()
