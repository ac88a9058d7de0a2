"""Headless Chromium, for the pictures of the gallery and for tests of pages.

Needs `chromium` and the package websockets, which the extra `serve` brings along.
"""

import base64
import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
from types import TracebackType
from typing import Any, Literal, NamedTuple, Self

from websockets.sync.client import connect

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)


class Clip(NamedTuple):
    """A part of a window, in its pixels."""

    x: float
    y: float
    width: float
    height: float


class Page:
    """One tab, by Chrome's DevTools protocol; a context manager that ends the browser.

    Args:
        options: Of Chromium, beside ours.
    """

    def __init__(self, *options: str) -> None:
        self._options = (*_OPTIONS, *options)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as begun:
            folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            profile = begun.enter_context(folder)
            command = [str(CHROMIUM), *self._options, f"--user-data-dir={profile}", "about:blank"]
            process = subprocess.Popen(  # noqa: S603
                command, stderr=subprocess.PIPE, text=True, start_new_session=True
            )
            begun.callback(_end, process)
            said: Any = process.stderr
            address = next(line.split()[-1] for line in said if "listening on" in line)
            self._socket = begun.enter_context(connect(address, max_size=None, open_timeout=60))
            self._n_sent = 0
            self._session: str | None = None
            target = self._send("Target.createTarget", url="about:blank")["targetId"]
            attached = self._send("Target.attachToTarget", targetId=target, flatten=True)
            self._session = attached["sessionId"]
            self._send("Page.enable")
            self._begun = begun.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._begun.close()

    def open(
        self,
        url: str,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
    ) -> None:
        """Opens an address, and waits until it is loaded."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._send("Emulation.setDeviceMetricsOverride", **size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self._send("Emulation.setEmulatedMedia", features=[feature])
        self._send("Page.navigate", url=url)
        self._wait_for("Page.loadEventFired")

    def run(self, script: str) -> Any:
        """Runs a script and returns what it comes to, of a promise the value."""
        answer = self._send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"], indent=1))
        return answer["result"].get("value")

    def picture(self, whole: bool = False, clip: Clip | None = None, scale: float = 1) -> bytes:
        """Returns the window, or the whole page, or a part of the window, as PNG."""
        part = {"clip": clip._asdict() | {"scale": scale}} if clip else {}
        answer = self._send("Page.captureScreenshot", captureBeyondViewport=whole, **part)
        return base64.b64decode(answer["data"])

    def pdf(self) -> bytes:
        """Returns the page as it is printed."""
        answer = self._send("Page.printToPDF", preferCSSPageSize=True, printBackground=False)
        return base64.b64decode(answer["data"])

    def _send(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._n_sent += 1
        message: dict[str, Any] = {"id": self._n_sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._socket.send(json.dumps(message))
        self._events: list[str] = []
        while True:
            answer = json.loads(self._socket.recv(timeout=60))
            if answer.get("id") == self._n_sent:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return dict(answer["result"])
            self._events.append(answer.get("method", ""))

    def _wait_for(self, event: str) -> None:
        while event not in self._events:
            self._events.append(json.loads(self._socket.recv(timeout=60)).get("method", ""))


def _end(process: "subprocess.Popen[str]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
