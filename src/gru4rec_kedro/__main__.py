"""Runs the packaged project: `python -m gru4rec_kedro --conf-source=...`."""

import os
import sys
from pathlib import Path
from typing import Any

# before Kedro is imported; in the project itself .telemetry and conf/logging.yml do the same
os.environ.setdefault("KEDRO_DISABLE_TELEMETRY", "1")
os.environ.setdefault("KEDRO_LOGGING_CONFIG", str(Path(__file__).with_name("logging.yml")))

from kedro.framework.cli.utils import find_run_command
from kedro.framework.project import configure_project


def main(*args: Any, **kwargs: Any) -> Any:
    """Runs `kedro run` on this package.

    Args:
        args: One list of arguments, such as `["--env", "test"]`; without it, those of the process.
        kwargs: Of click's `Command.main`. With `standalone_mode=False`, as a scheduler wants it
            that calls this from Python, and by default in a notebook, it returns what `kedro run`
            returns; else the process ends with the exit code.

    Raises:
        ClickException: The run has failed, and `standalone_mode` is False.
        SystemExit: The run has ended, and `standalone_mode` is True.
    """
    package_name = Path(__file__).parent.name
    configure_project(package_name)
    # in a notebook click must not end the kernel
    kwargs.setdefault("standalone_mode", not hasattr(sys, "ps1"))
    return find_run_command(package_name)(*args, **kwargs)


if __name__ == "__main__":
    main()
