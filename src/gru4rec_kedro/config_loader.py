"""Reads the files of `conf/`."""

from typing import Any

from kedro.config import OmegaConfigLoader
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from gru4rec_kedro.hooks import RunError


class ConfigLoader(OmegaConfigLoader):
    """Kedro's own, but what is wrong in a file is one message."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Returns the merged files of a kind, such as `catalog`.

        Raises:
            RunError: One of them is not YAML, or refers to what there is not.
        """
        try:
            return super().__getitem__(key)
        except YAMLError as error:
            raise RunError(_describe(error)) from None
        except OmegaConfBaseException as error:
            raise RunError(f"{key}.yml: {str(error).splitlines()[0]}") from None


def _describe(error: YAMLError) -> str:
    """Says where and why a file is not YAML; Kedro counts from 0 and gives no reason."""
    cause = error.__cause__
    if not isinstance(cause, MarkedYAMLError) or cause.problem_mark is None:
        return str(error)
    file = str(error).partition(", unable to read")[0]
    mark = cause.problem_mark
    return f"{file}: line {mark.line + 1}, column {mark.column + 1}: {cause.problem}"
