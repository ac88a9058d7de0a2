"""What docs/serving.md says of the server is true."""

import contextlib
import json
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pandas as pd
import pytest
from fastapi.testclient import TestClient

from gru4rec import GRU4Rec
from gru4rec.__main__ import _parser
from gru4rec.server.app import create_app
from gru4rec.server.options import ServerOptions

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/serving.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def gru(tmp_path: Path) -> GRU4Rec:
    """A model of some items of the sample log, which the page takes its ids from."""
    clicks = pd.read_csv(ROOT / "data/01_raw/sample_clicks.csv").head(2000)
    gru = GRU4Rec(layers=[4], n_sample=8, n_epochs=1, device="cpu").fit(clicks)
    gru.save(tmp_path / "model.pth")
    return gru


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
@pytest.mark.usefixtures("gru")
def test_each_request_is_answered(serve: Callable[..., Any]) -> None:
    server = serve()
    commands = [shlex.split(line) for line in "".join(blocks("sh")).splitlines()]
    assert len(commands) > 5
    for _, *arguments in commands:
        local = [a.replace("localhost:8000", f"127.0.0.1:{server.port}") for a in arguments]
        command = ["curl", "--silent", "--show-error", "--fail-with-body", *local]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (arguments, done.stdout, done.stderr)
        is_json = not {"DELETE", "localhost:8000/metrics"} & set(arguments)
        assert json.loads(done.stdout) if is_json else True


def test_each_command_is_understood() -> None:
    commands = re.findall(r"(?<=gru4rec )serve [^`\n]+", PAGE)
    assert len(commands) > 4
    for command in commands:
        arguments = command.partition("#")[0].split()
        assert arguments == ["serve", "--help"] or _parser().parse_args(arguments).model


def test_every_endpoint_is_in_the_table(gru: GRU4Rec, tmp_path: Path) -> None:
    app = create_app(ServerOptions(model=tmp_path / "model.pth", device="cpu"))
    described = TestClient(app).get("/openapi.json").json()
    paths = {
        re.sub(r"\{\w+\}", "{id}", path)
        for path, methods in described["paths"].items()
        for _ in methods
    }
    assert set(re.findall(r"`(?:(?:GET|POST|DELETE) )?(/[\w{}/]+)`", PAGE)) >= paths


def test_limits_are_those_of_the_server() -> None:
    fields = ServerOptions.model_fields
    for option, text in {
        "max_items": "(1,000)",
        "max_k": "(1,000)",
        "max_body": "(1 MB",
        "session_minutes": "(60)",
        "max_sessions": "(100,000)",
    }.items():
        assert f"`--{option.replace('_', '-')}` {text}" in PAGE
        number = text.strip("()").replace(",", "").replace(" MB", "000000")
        assert fields[option].default == float(number)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    [unit] = blocks("ini")
    [command] = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, *arguments = shlex.split(command)
    assert Path(program).name == "gru4rec"
    assert _parser().parse_args(arguments).workers == 4
    file = tmp_path / "recommender.service"
    file.write_text(unit.replace(program, sys.executable))  # systemd looks whether it is there
    done = subprocess.run(
        ["systemd-analyze", "verify", file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "recommender.service" not in done.stderr


NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")


@pytest.mark.skipif(not NGINX, reason="nginx is not installed")
@pytest.mark.usefixtures("gru")
def test_the_proxy_hands_requests_on(
    serve: Callable[..., Any], tmp_path: Path, wait_for: Callable[..., Any]
) -> None:
    server = serve()
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    [block] = blocks("nginx")
    block = block.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    block = block.replace("listen 80;", f"listen 127.0.0.1:{port};")
    paths = "".join(
        f"{kind}_temp_path {tmp_path};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"access_log off; client_body_temp_path {tmp_path}; {paths} {block}"
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/log; events {{}} http {{ {http} }}"
    )
    command = [str(NGINX), "-p", str(tmp_path), "-e", "log", "-c", str(tmp_path / "nginx.conf")]
    address = f"http://127.0.0.1:{port}/recommender"

    def is_ready() -> bool:
        with contextlib.suppress(httpx2.ConnectError):
            return httpx2.get(f"{address}/ready").status_code == 200
        return False

    nginx = subprocess.Popen(command)
    try:
        wait_for(is_ready)
        click = {"events": [{"item": 1}]}
        answer = httpx2.post(f"{address}/sessions/anna/events", json=click)
        assert answer.json()["session"] == "anna"
        assert "<html" in httpx2.get(f"{address}/").text
    finally:
        nginx.terminate()
        nginx.wait()
