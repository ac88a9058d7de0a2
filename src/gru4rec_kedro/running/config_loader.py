"""Reads the files of `conf/`."""

import functools
from typing import Any

from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf.errors import OmegaConfBaseException
from yaml import MarkedYAMLError, YAMLError

from gru4rec import ConfigError
from gru4rec.addresses import expand_home
from gru4rec.config import load_yaml
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.kedro_internals import configuration_files, unreadable_file


class ConfigLoader(OmegaConfigLoader):
    """Kedro's own, but what is wrong in a file is one message."""

    def __getitem__(self, key: str) -> dict[str, Any]:
        """Returns the merged files of a kind, such as `catalog`.

        Raises:
            RunError: One of them is not YAML, stands for more than can be read, or refers to what
                there is not.
        """
        try:
            if key in self.config_patterns and key not in self:
                self._refuse_endless_files(key)
            files = super().__getitem__(key)
            if key == "globals" and "outputs" in (self.runtime_params or {}):
                # for one run; Kedro has no ${runtime_params:…} in globals.yml
                return {**files, "outputs": self.runtime_params["outputs"]}
            return self._complete(files) if key == "catalog" else files
        except YAMLError as error:
            raise RunError(_describe(error)) from None
        except OmegaConfBaseException as error:
            raise RunError(f"{key}.yml: {str(error).splitlines()[0]}") from None

    def _complete(self, entries: dict[str, Any]) -> dict[str, Any]:
        """Writes `~/…` out, and gives each store the credentials of its name if it has none.

        What `credentials.yml` has under `s3` is for all entries at `s3://…` that name no other. A
        table of Spark with a slash in its name is Parquet files.
        """
        try:
            known = self["credentials"]
        except MissingConfigException:
            known = {}
        for entry in [e for e in entries.values() if isinstance(e, dict)]:
            of_spark = str(entry.get("type", "")).endswith("SparkTableDataset")
            if of_spark and "/" in str(entry.get("table", "")):
                entry["filepath"] = entry.pop("table")  # by which name Kedro knows paths
            for name in ("filepath", "path"):
                if not isinstance(entry.get(name), str):
                    continue
                entry[name] = expand_home(entry[name])
                store, slashes, _ = entry[name].partition("://")
                if slashes and store in known and not of_spark:  # which has its own
                    entry.setdefault("credentials", store)
        return entries

    def _refuse_endless_files(self, key: str) -> None:
        """Looks at files before Kedro, which would write out all that their aliases stand for."""
        for path, content in configuration_files(self, key):
            try:
                _look_at(content)
            except ConfigError as error:
                raise RunError(f"{path} cannot be read: {error}") from None
            except (ValueError, YAMLError):
                continue  # Kedro will say where


@functools.cache
def _look_at(content: bytes) -> None:
    """Looks at what is in a file, once: a run reads some files six times."""
    load_yaml(content.decode())


def _describe(error: YAMLError) -> str:
    """Says where and why a file is not YAML; Kedro counts from 0 and gives no reason."""
    cause = error.__cause__
    if not isinstance(cause, MarkedYAMLError) or cause.problem_mark is None:
        return str(error)
    file, mark = unreadable_file(error), cause.problem_mark
    return f"{file}: line {mark.line + 1}, column {mark.column + 1}: {cause.problem}"
