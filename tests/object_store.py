"""A real S3-compatible server for tests, and a way to it that can be cut."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

SECRET = "hunter2-of-the-store"  # noqa: S105
_SERVER = """
import sys
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(*server.get_host_and_port(), flush=True)
sys.stdin.read()
"""


class ObjectStore:
    """The server, with one bucket.

    Attributes:
        options: What s3fs needs to reach it.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.options = self.options_through(port)

    def options_through(self, port: int) -> dict[str, Any]:
        """What s3fs needs to reach it through another port."""
        place = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
        return {"key": "me", "secret": SECRET, "client_kwargs": place, "use_listings_cache": False}

    def path(self, name: str, **options: Any) -> UPath:
        """A place in the bucket."""
        return UPath(f"s3://shop/{name}", **{**self.options, **options})

    def names(self, folder: str) -> list[str]:
        """The names of all files below a folder."""
        place = self.path(folder)
        return sorted(name.removeprefix(f"{place.path}/") for name in place.fs.find(place.path))


@contextmanager
def running_store() -> Iterator[ObjectStore]:
    for package in ("s3fs", "moto", "flask_cors"):
        pytest.importorskip(package, reason="the object store of the tests is not installed")
    environment = {**os.environ, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        store = ObjectStore(int(process.stdout.readline().split()[1]))
        store.path("").fs.call_s3("create_bucket", Bucket="shop")
        yield store
    finally:
        process.stdin.close()
        process.kill()
        process.wait()
        process.stdout.close()


class Proxy:
    """Passes on what a client and a server send each other, up to a point.

    Args:
        port: The server's.
        hold_after: So many bytes of the clients are passed on; then nothing is.

    Attributes:
        port: For clients.
        sent: Bytes of the server.
        holds: Set when nothing more is passed on.
        ended: Set when the server has closed a connection since.
    """

    def __init__(self, port: int, hold_after: float = float("inf")) -> None:
        self._server_port, self._left = port, hold_after
        self.sent = 0
        self.holds, self.ended = threading.Event(), threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self._server_port))
            for pump in (self._pump_up, self._pump_down):
                threading.Thread(target=pump, args=(client, server), daemon=True).start()

    def _pump_up(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(1 << 16):
                if self._left > 0:
                    self._left -= len(data)
                    server.sendall(data)
                else:
                    self.holds.set()
        except OSError:  # one of them is gone
            pass
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)

    def _pump_down(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := server.recv(1 << 16):
                self.sent += len(data)
                client.sendall(data)
        except OSError:
            pass
        server.close()
        client.close()
        if self.holds.is_set():
            self.ended.set()


def upload_held(store: ObjectStore, name: str, size: int, hold_after: int) -> None:
    """Lets a process upload a file, and kills it when so many bytes of it have come through."""
    proxy = Proxy(store.port, hold_after)
    script = """
import sys
from upath import UPath
from gru4rec.files import written_whole
place = {"endpoint_url": sys.argv[1], "region_name": "us-east-1"}
path = UPath(sys.argv[2], key="me", secret="it", client_kwargs=place)
with written_whole(path) as temporary, temporary.open("wb") as file:
    file.truncate(int(sys.argv[3]))
"""
    source = str(Path(__file__).parents[1] / "src")
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            script,
            f"http://127.0.0.1:{proxy.port}",
            str(store.path(name)),
            str(size),
        ],
        env={**os.environ, "PYTHONPATH": source},
    )
    try:
        assert proxy.holds.wait(60)
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
    assert proxy.ended.wait(60)
    proxy.close()
