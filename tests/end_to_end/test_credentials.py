"""Credentials never come out: not into files, not into log lines, not into messages."""

import re
from types import SimpleNamespace

import pytest
from kedro.config import OmegaConfigLoader

from gru4rec_kedro.running.tracking import TrackingHooks

SECRET = "hunter2-of-a-test"  # noqa: S105
CREDENTIALS = f"""
study_store:
  url: postgresql+nodriver://me:{SECRET}@host/name
other:
  password: {SECRET}
"""


@pytest.fixture
def project(new_project):
    path = new_project()
    (path / "conf/test/credentials.yml").write_text(CREDENTIALS)
    return path


def test_credentials_are_in_no_file_log_line_or_message(project, kedro, environment, monkeypatch):
    monkeypatch.setitem(environment, "DATABRICKS_TOKEN", SECRET)
    logging = project / "conf/logging.yml"
    kept = logging.read_text()
    # as someone does who looks for a mistake
    logging.write_text(kept.replace("  kedro:\n    level: INFO", "  kedro:\n    level: DEBUG"))
    done = kedro(project, "run")
    assert done.returncode == 0, done.stdout + done.stderr
    failed = kedro(project, "run", "--pipelines", "tuning")  # this one uses the credentials
    assert failed.returncode == 1
    said = done.stdout + done.stderr + failed.stdout + failed.stderr
    assert re.search(r"store of\s+trials|needs\s+packages", said)
    assert "DEBUG" in said
    assert SECRET not in said
    written = [path for path in project.rglob("*") if path.is_file()]
    with_secret = {path.name for path in written if SECRET.encode() in path.read_bytes()}
    assert with_secret == {"credentials.yml"}
    assert project / "data/test/08_reporting/report.html" in written


def test_credentials_are_no_parameters_of_tracked_runs(project):
    files = OmegaConfigLoader(str(project / "conf"), env="test", base_env="base")
    files["mlflow"] = {"tracking_uri": "runs"}
    assert SECRET in str(files["credentials"])
    hooks = TrackingHooks()
    hooks.after_context_created(SimpleNamespace(config_loader=files))
    assert hooks._parameters
    assert SECRET not in str(hooks._parameters)
