"""What docs/serving.md says of the server is true."""

import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec.__main__ import _parser
from gru4rec.server.app import create_app
from gru4rec.server.options import ServerOptions

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/serving.md").read_text()


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
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL))
    commands = [shlex.split(line) for line in blocks.splitlines()]
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
    paths = {
        re.sub(r"\{\w+\}", "{id}", path)
        for path, methods in app.openapi()["paths"].items()
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
