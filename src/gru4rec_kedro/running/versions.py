"""Versions of the catalog are in the order in which they were made, whatever the clock says."""

import logging
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec import ConfigError
from gru4rec_kedro.kedro_internals import (
    TIMESTAMP,
    generate_timestamp,
    reaching_entry,
    set_save_version,
)

logger = logging.getLogger(__name__)

_END = "Z"


def make_newest(catalog: CatalogProtocol[Any, Any], pipeline: Pipeline) -> None:
    """Makes the version that a run saves, one for all its datasets, later than those there are.

    Kedro names it by the clock at the start of the session. That clock may have gone back since
    the last run, and another run may have come to its end first.

    Raises:
        ConfigError: There is a version that nothing comes after.
        UnreachableError: The store of the versions cannot be reached.
    """
    datasets = [catalog.get(name) for name in sorted(pipeline.datasets())]
    versioned = [
        dataset
        for dataset in datasets
        if isinstance(dataset, AbstractVersionedDataset) and dataset.resolve_save_version()
    ]
    folders = []
    for dataset in versioned:
        with reaching_entry(dataset):
            folders += [Path(file).parent for file in dataset.list_versions()]
    if not folders:
        return
    newest = max(folders, key=lambda folder: folder.name)
    if all(newest.name < str(dataset.resolve_save_version()) for dataset in versioned):
        return
    version = generate_timestamp()
    if version <= newest.name:
        version = _next(newest)
        logger.warning(
            "The clock is behind %s, the newest version of %s: this run saves the version %s",
            newest.name,
            newest.parent,
            version,
        )
    for dataset in versioned:
        set_save_version(dataset, version)


def _next(newest: Path) -> str:
    """Names the version a millisecond later than that of a folder."""
    version = newest.name
    try:
        later = datetime.strptime(version.removesuffix(_END), TIMESTAMP) + timedelta(milliseconds=1)
        name = later.isoformat(timespec="milliseconds").replace(":", ".") + _END
        if name > version:
            return name
    except (ValueError, OverflowError):
        pass
    raise ConfigError(
        f"{newest.parent} has the version {version!r}, which is in the order of names after "
        "all that a run could save, so it would stay the newest; rename or move it (its name "
        "should begin with a date, as those of the others do)"
    )
