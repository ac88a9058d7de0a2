"""What the project uses of Kedro that is not public: an upgrade of Kedro looks here.

What Kedro shows to those who write datasets (`_exists`, `_describe`, `_filepath`, `_version`,
`_get_load_path`, `_get_save_path`) is used by the project's own datasets, of themselves.
"""

import contextlib
import copy
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

import fsspec
from kedro.config import OmegaConfigLoader
from kedro.io import AbstractVersionedDataset
from kedro.io.core import VERSION_FORMAT, generate_timestamp
from kedro_datasets._typing import HTMLPreview, JSONPreview, TablePreview
from upath import UPath
from yaml import YAMLError

from gru4rec.addresses import Location, is_remote, reaching, show
from gru4rec_kedro.errors import UnreachableError

__all__ = [
    "RUNNER",
    "RUNNER_DONE",
    "RUNNER_SMALL_TALK",
    "TIMESTAMP",
    "HTMLPreview",
    "JSONPreview",
    "TablePreview",
    "configuration_files",
    "file_of",
    "generate_timestamp",
    "has_version",
    "location_of",
    "missing_pipeline",
    "place_of",
    "reaching_entry",
    "set_save_version",
    "unreadable_file",
    "unwrapped",
    "writing_to",
]

# where runners log, and what they say of a node that is done
RUNNER = "kedro.runner"
RUNNER_DONE = "Completed node: %s"
# the beginnings of what they say that helps nobody: the number of nodes done, how to load in
# threads, and, where no node ran, to repeat a command that would only meet the same mistake
RUNNER_SMALL_TALK = (
    "Completed %d out of %d tasks",
    "Using synchronous mode for loading and saving data",
    "No nodes ran. Repeat the previous command",
)
# how versions are named, without the Z at their end
TIMESTAMP = VERSION_FORMAT.removesuffix("Z")


def file_of(dataset: Any) -> Location | None:
    """Returns the file that a dataset loads, of versions the newest; None where it has no file."""
    if isinstance(dataset, AbstractVersionedDataset):
        return location_of(dataset, dataset._get_load_path())
    return None


def location_of(dataset: Any, path: PurePosixPath) -> Location:
    """Returns a path of a dataset of one file with the store that it is in.

    Args:
        dataset: Has the attributes that all of Kedro's datasets of files have.
        path: As the dataset has it, without protocol.
    """
    protocol, store = getattr(dataset, "_protocol", "file"), getattr(dataset, "_fs", None)
    if protocol == "file" or store is None:
        return Path(path)
    return cast(UPath, UPath(f"{protocol}://{path}", **store.storage_options))


def place_of(dataset: Any) -> Location:
    """Returns where a dataset of one file has it; of versions the folder of all."""
    return location_of(dataset, dataset._filepath)


@contextlib.contextmanager
def reaching_entry(dataset: Any) -> Iterator[None]:
    """Makes of what a store's client raises, and Kedro wraps, a message that tells no secret.

    Raises:
        UnreachableError: The store cannot be reached, or refuses.
    """
    place = place_of(dataset)
    try:
        with reaching(place):
            yield
    except OSError as error:
        if not is_remote(place):
            raise
        raise UnreachableError(f"cannot reach {show(place)}: {error}") from None


def writing_to(path: Path, dataset: Any) -> Any:
    """Returns a copy of a dataset of one file that has it on this machine, without versions."""
    local = copy.copy(dataset)
    local._protocol, local._fs = "file", fsspec.filesystem("file")
    local._filepath, local._version = PurePosixPath(path), None
    return local


def has_version(dataset: AbstractVersionedDataset[Any, Any], version: str) -> bool:
    """Whether a dataset has saved a version."""
    return dataset._exists_function(str(dataset._get_versioned_path(version)))


def set_save_version(dataset: AbstractVersionedDataset[Any, Any], version: str) -> None:
    """Changes the version that a versioned dataset saves."""
    if dataset._version is not None:
        dataset._version = dataset._version._replace(save=version)


def unwrapped(method: Any) -> Callable[..., Any]:
    """Returns `load` or `save` of a dataset's class without Kedro's own checks around it."""
    function: Callable[..., Any] = method.__wrapped__
    return function


def configuration_files(loader: OmegaConfigLoader, key: str) -> Iterator[tuple[str, bytes]]:
    """Reads the files that make up a kind of configuration; those that cannot be are left out.

    Yields:
        Path and content of each.
    """
    for env in {loader.base_env, loader.env or loader.default_run_env}:
        folder = loader._get_conf_env_path(env)
        for pattern in loader.config_patterns[key]:
            for path in loader._fs.glob(Path(f"{folder}/{pattern}").as_posix()):
                try:
                    content = loader._fs.cat_file(path)
                except OSError:  # such as a folder of that name
                    continue
                yield path, content


def unreadable_file(error: YAMLError) -> str:
    """Returns the beginning of Kedro's message about a file that is not YAML: what it is."""
    return str(error).partition(", unable to read")[0]


def missing_pipeline(error: ImportError) -> str | None:
    """Returns the name of a pipeline that there is not; None where there is, but it cannot load.

    Args:
        error: What `find_pipelines` raised.
    """
    if error.__cause__ is not None:
        return None
    return str(error).partition(".pipelines.")[2].partition("'")[0]
