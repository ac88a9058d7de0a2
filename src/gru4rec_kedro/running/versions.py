"""Versions of the catalog are in the order in which they were made, whatever the clock says."""

import logging
from datetime import datetime, timedelta
from typing import Any

from kedro.io import AbstractVersionedDataset, CatalogProtocol
from kedro.io.core import generate_timestamp
from kedro.pipeline import Pipeline

from gru4rec import ConfigError

logger = logging.getLogger(__name__)

# what Kedro's generate_timestamp writes, and what it names the milliseconds
_FORMAT, _END = "%Y-%m-%dT%H.%M.%S.%f", "Z"


def make_newest(catalog: CatalogProtocol[Any, Any], pipeline: Pipeline) -> None:
    """Makes the version that a run saves, one for all its datasets, later than those there are.

    Kedro names it by the clock at the start of the session. That clock may have gone back since
    the last run, and another run may have come to its end first.

    Raises:
        ConfigError: There is a version that nothing comes after.
    """
    datasets = [catalog.get(name) for name in sorted(pipeline.datasets())]
    versioned = [
        dataset
        for dataset in datasets
        if isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None
    ]
    present = [(version, dataset) for dataset in versioned for version in _versions_of(dataset)]
    if not present:
        return
    newest, dataset = max(present, key=lambda pair: pair[0])
    if all(newest < str(each._version.save) for each in versioned if each._version):
        return
    version = generate_timestamp()
    if version <= newest:
        version = _next(newest, dataset)
        logger.warning(
            "The clock is behind %s, the newest version of %s: this run saves the version %s",
            newest,
            dataset._filepath,
            version,
        )
    for each in versioned:
        each._version = each._version._replace(save=version) if each._version else None


def _versions_of(dataset: AbstractVersionedDataset[Any, Any]) -> list[str]:
    versions: list[str] = dataset.list_versions(full_path=False)
    return versions


def _next(version: str, dataset: AbstractVersionedDataset[Any, Any]) -> str:
    """Names the version a millisecond later."""
    try:
        later = datetime.strptime(version.removesuffix(_END), _FORMAT) + timedelta(milliseconds=1)
        name = later.isoformat(timespec="milliseconds").replace(":", ".") + _END
        if name > version:
            return name
    except (ValueError, OverflowError):
        pass
    raise ConfigError(
        f"{dataset._filepath} has the version {version!r}, which is in the order of names after "
        "all that a run could save, so it would stay the newest; rename or move it (its name "
        "should begin with a date, as those of the others do)"
    )
