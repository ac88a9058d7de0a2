"""The project's logging where Kedro has not found it: in notebooks, and in subfolders."""

import logging
import os
import sys
from pathlib import Path

import yaml
from kedro.framework.project import LOGGING
from kedro.logging import RichHandler

from gru4rec.progress import notebook_shell


def use_project_logging(project: Path) -> None:
    """Takes `conf/logging.yml` of the project in place of what Kedro falls back to elsewhere.

    Kedro looks for it in the working directory only. A file that KEDRO_LOGGING_CONFIG names stays.

    Args:
        project: Its folder.
    """
    file = project / "conf/logging.yml"
    is_default = any(isinstance(handler, RichHandler) for handler in logging.root.handlers)
    if not is_default or "KEDRO_LOGGING_CONFIG" in os.environ or not file.is_file():
        return
    LOGGING.configure(yaml.safe_load(file.read_text(encoding="utf-8")))
    shell = notebook_shell()
    if shell is None:
        return
    # errors as IPython shows them: Kedro's way, in rich, is pages long and knows no short ones
    for name in ("showtraceback", "_showtraceback"):
        vars(shell).pop(name, None)
    for handler in logging.root.handlers:
        if type(handler) is logging.StreamHandler:
            handler.setStream(sys.stdout)  # notebooks show stderr on red
