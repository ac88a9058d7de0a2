"""The packaged project, called from Python as schedulers do, and from the command line."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click import ClickException, UsageError

from gru4rec_kedro.errors import RunError

PROJECT = Path(__file__).parents[2]
MISTAKE = ["--env", "test", "--params", "model.n_epoch=3"]


@pytest.fixture
def main(monkeypatch):
    """The function; its module sets variables when it is imported."""
    for name in ("KEDRO_DISABLE_TELEMETRY", "KEDRO_LOGGING_CONFIG"):
        monkeypatch.setenv(name, os.environ.get(name, ""))
    monkeypatch.chdir(PROJECT)
    return importlib.import_module("gru4rec_kedro.__main__").main


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (MISTAKE, RunError, "did you mean 'n_epochs'"),
        (["--env", "nowhere"], RunError, "nowhere"),
        (["--surprise"], UsageError, "--surprise"),
    ],
)
def test_a_failed_run_raises_for_a_caller_in_python(main, arguments, kind, message):
    with pytest.raises(ClickException, match=message) as caught:
        main(arguments, standalone_mode=False)
    assert isinstance(caught.value, kind)


def test_a_run_that_ends_well_returns_what_it_made(main, tmp_path):
    log = PROJECT / "data/01_raw/sample_clicks.csv"
    conf = tmp_path / "conf"
    for name in ("base", "test"):
        (conf / name).mkdir(parents=True)
        for file in (PROJECT / "conf" / name).iterdir():
            text = file.read_text().replace("outputs: data", f"outputs: {tmp_path}")
            (conf / name / file.name).write_text(text)
    options = ["--env=test", f"--conf-source={conf}", "--nodes=preparation.load_log"]
    made = main([*options, f"--params=events={log}"], standalone_mode=False)
    assert set(made) == {"events", "log_counts"}
    assert made["events"].exists()


@pytest.mark.parametrize(("arguments", "code"), [(MISTAKE, 1), (["--help"], 0), (["--what"], 2)])
def test_the_command_line_ends_with_an_exit_code(main, arguments, code):
    with pytest.raises(SystemExit) as caught:
        main(arguments, standalone_mode=True)
    assert caught.value.code == code


def test_the_module_shows_a_mistake_without_a_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "gru4rec_kedro", *MISTAKE],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "did you mean 'n_epochs'" in done.stderr
    assert "Traceback" not in done.stderr
