"""Servers as processes, and what they take (Linux)."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple


class Running(NamedTuple):
    """A server: its port, and the group of its processes."""

    port: int
    group: int

    def processor_time(self) -> float:
        """Seconds of a processor that it has had."""
        ticks = sum(sum(map(int, fields[11:13])) for fields in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def memory(self) -> float:
        """Megabytes that it has in memory."""
        return (
            sum(int(fields[21]) for fields in self._processes()) * os.sysconf("SC_PAGE_SIZE") / 1e6
        )

    def _processes(self) -> Iterator[list[str]]:
        for file in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):  # it has just ended
                fields = file.read_text().rpartition(")")[2].split()
                if int(fields[2]) == self.group:
                    yield fields


@contextlib.contextmanager
def serving(model: Path, options: Sequence[str]) -> Iterator[Running]:
    """Runs `gru4rec serve`, on one core as long as it is one worker."""
    arguments = [sys.executable, "-m", "gru4rec", "serve", str(model), "--port", "{port}"]
    with running([*arguments, "--device", "cpu", *options]) as server:
        yield server


@contextlib.contextmanager
def running(command: Sequence[str]) -> Iterator[Running]:
    """Runs a server until the block ends; `{port}` in the command is where it is to listen."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            while not _answers(port):
                if process.poll() is not None:
                    log.seek(0)
                    raise SystemExit(log.read())
                time.sleep(0.1)
            yield Running(port, process.pid)
        finally:
            process.terminate()
            process.wait()
            with contextlib.suppress(ProcessLookupError):  # processes of its own may stay behind
                os.killpg(process.pid, signal.SIGKILL)


def _answers(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
