"""Mistakes in entries of `catalog.yml`, told before anything runs."""

import logging
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline

from gru4rec import ConfigError
from gru4rec.addresses import expand_home, is_remote, show
from gru4rec_kedro.datasets import EventsDataset, SparkTableDataset
from gru4rec_kedro.kedro_internals import place_of
from gru4rec_kedro.options.parameters import Parameters

logger = logging.getLogger(__name__)

# what --params may name files for: the entry that then has their path, and pipelines that read it
NAMED_FILES = {
    "events": ("raw_log", "data_engineering,modelling"),
    "prepared": ("prepared_{part}", "prepared,modelling"),
    "sessions": ("sessions", "recommendation"),
    "candidates": ("candidates", "recommendation"),
    "titles": ("items", "modelling"),
}

# what --params may say of the raw log's text files, and what its entry has without that
_OF_TEXT = {"delimiter": "null", "column_names": "null", "skip_lines": "0", "comment": "null"}


def check_types(entries: Mapping[str, Any]) -> None:
    """Refuses entries that are not whole.

    Args:
        entries: By name, as in `catalog.yml`.

    Raises:
        ConfigError: One lacks its type.
    """
    for name, entry in entries.items():
        if not isinstance(entry, Mapping) or "type" not in entry:
            raise ConfigError(
                f"the entry {name} in catalog.yml has no type; an entry of an environment takes "
                "the place of that in conf/base as a whole, so repeat all of its lines"
            )


def check_paths(
    parameters: Parameters, runtime_params: Mapping[str, Any], entries: Mapping[str, Any]
) -> None:
    """Refuses names of files, and what is said of the raw log, that have no effect.

    Args:
        parameters: May name files.
        runtime_params: Those of the command line.
        entries: By name, as in `catalog.yml`.

    Raises:
        ConfigError: A file is named in a file of parameters, or its entry reads another, or has
            another of what is said of its text.
    """
    if parameters.outputs is not None and "outputs" not in runtime_params:
        raise ConfigError(
            "outputs stands in a file of parameters, where it has no effect; set it in globals.yml "
            "of the same environment, or use kedro run --params outputs=..."
        )
    for name, (dataset, _) in NAMED_FILES.items():
        path = parameters[name]
        if path is None:
            continue
        if name not in runtime_params:
            raise ConfigError(
                f"{name} is {show(path)!r} in a file of parameters, where it has no effect; "
                f"set the path of {dataset} in catalog.yml of the same environment, or use kedro "
                f"run --params {name}=..."
            )
        entry = entries[dataset]
        read = entry.get("filepath", entry.get("table"))
        # of a folder, files in it may be read
        if not f"{read}/".startswith(f"{expand_home(path)}/"):
            path, read = show(path), read and show(read)
            raise ConfigError(
                f"{name} is {path!r}, but the entry {dataset} in catalog.yml reads {read!r}; "
                f"write there filepath: ${{runtime_params:{name}, {read}}}, or leave {name} out"
            )
    for name, default in _OF_TEXT.items():
        value, read = parameters[name], entries.get("raw_log", {}).get(name)
        if value is not None and read != value:
            raise ConfigError(
                f"{name} is {value!r}, but the entry raw_log in catalog.yml has {read!r}; write "
                f"there {name}: ${{runtime_params:{name}, {default}}}, or the value itself, and "
                f"leave {name} out"
            )


def make_datasets(catalog: CatalogProtocol[Any, Any], names: Iterable[str]) -> None:
    """Makes datasets, which Kedro does in the midst of a run.

    Raises:
        ConfigError: The entry of one is wrong.
    """
    try:
        for name in names:
            catalog.get(name)
    except DatasetError as error:
        raise ConfigError(f"catalog.yml: {error}") from None


def check_places(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Refuses files of events in a store that Spark would have to write.

    Raises:
        ConfigError: A node makes such a file of a table of Spark.
    """
    for node in pipeline.nodes:
        tables = [n for n in node.inputs if isinstance(catalog.get(n), SparkTableDataset)]
        for name in node.outputs if tables else ():
            dataset = catalog.get(name)
            if isinstance(dataset, EventsDataset) and is_remote(place := place_of(dataset)):
                raise ConfigError(
                    f"{name} would be written by Spark, as {tables[0]} is a table there, but Spark "
                    f"writes folders of this machine or of a volume, not {show(place)}: set "
                    "outputs in globals.yml to a path"
                )


def warn_of_misspelt_entries(catalog: CatalogProtocol[Any, Any], used: set[str]) -> None:
    """Names entries that are not used, but nearly called like one that users often change."""
    often_changed = [dataset for dataset, _ in NAMED_FILES.values()]
    for name in sorted(set(catalog.keys()) - used - set(often_changed)):
        for meant in get_close_matches(name, often_changed, n=1, cutoff=0.8):
            logger.warning("The entry %s in catalog.yml is not used; did you mean %s?", name, meant)
