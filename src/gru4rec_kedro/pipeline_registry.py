"""The pipelines of the project."""

import pkgutil

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from gru4rec_kedro import pipelines
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.kedro_internals import missing_pipeline

# run by name only: they take the place of others, or come after them
_NOT_BY_DEFAULT = (
    "backtest",
    "prepared",
    "promotion",
    "recommendation",
    "tuning",
    "vectors",
)


def register_pipelines() -> dict[str, Pipeline]:
    """Finds the pipelines; `__default__` is the chain from the raw log to the report.

    Raises:
        RunError: The command line names a pipeline that there is not.
    """
    try:
        found = find_pipelines(raise_errors=True)
    except ImportError as error:
        name = missing_pipeline(error)
        if name is None:
            raise
        known = ", ".join(module.name for module in pkgutil.iter_modules(pipelines.__path__))
        raise RunError(f"There is no pipeline {name!r}; there are {known}") from None
    by_default = (found[name] for name in found if name not in _NOT_BY_DEFAULT)
    found["__default__"] = sum(by_default, start=Pipeline([]))
    return found
