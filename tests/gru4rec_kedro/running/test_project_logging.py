"""The project's logging is taken where Kedro has fallen back to its own."""

import logging
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from kedro.framework.project import LOGGING
from kedro.logging import RichHandler

from gru4rec_kedro.running.project_logging import use_project_logging

ROOT = Path(__file__).parents[3]


class ZMQInteractiveShell:
    """Named as the shell of notebooks."""


@pytest.fixture
def rich(monkeypatch):
    """A process that logs as Kedro does without the project's file; LOGGING stays as it is."""
    root = logging.root
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [logging.NullHandler()]
    handler = RichHandler.__new__(RichHandler)  # its __init__ takes over the whole process
    logging.Handler.__init__(handler)
    root.addHandler(handler)
    configured = []

    def configure(config):
        configured.append(config)
        root.handlers[:] = [logging.StreamHandler()]

    monkeypatch.setattr(LOGGING, "configure", configure)
    monkeypatch.delenv("KEDRO_LOGGING_CONFIG", raising=False)
    yield configured
    root.handlers[:] = handlers
    root.setLevel(level)


def test_kedros_own_is_replaced(rich):
    use_project_logging(ROOT)
    [config] = rich
    assert config["loggers"]["gru4rec"] == {"level": "INFO"}
    use_project_logging(ROOT)  # %reload_kedro
    assert len(rich) == 1


def test_a_file_that_the_user_names_stays(rich, monkeypatch):
    monkeypatch.setenv("KEDRO_LOGGING_CONFIG", "mine.yml")
    use_project_logging(ROOT)
    assert rich == []


def test_a_project_without_such_a_file_keeps_kedros(rich, tmp_path):
    use_project_logging(tmp_path)
    assert rich == []


def test_in_a_notebook_lines_go_to_stdout_and_errors_are_ipythons(rich, monkeypatch):
    shell = ZMQInteractiveShell()
    shell.showtraceback = shell._showtraceback = "rich"
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    use_project_logging(ROOT)
    assert logging.root.handlers[0].stream is sys.stdout
    assert vars(shell) == {}
