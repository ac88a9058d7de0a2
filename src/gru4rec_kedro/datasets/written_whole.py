"""Files are written whole or not at all."""

import re
from pathlib import PurePosixPath
from typing import Any, Self

import fsspec
import pandas as pd
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from kedro.io.core import get_filepath_str, get_protocol_and_path
from kedro_datasets.json import JSONDataset as KedroJSONDataset
from kedro_datasets.pandas import CSVDataset as KedroCSVDataset
from kedro_datasets.pandas import ParquetDataset as KedroParquetDataset
from kedro_datasets.plotly import JSONDataset as KedroPlotlyDataset
from kedro_datasets.text import TextDataset as KedroTextDataset
from kedro_datasets.yaml import YAMLDataset as KedroYAMLDataset

from gru4rec import ConfigError
from gru4rec.addresses import Location, is_remote, locate_writable, reaching, show
from gru4rec.files import make_folders, written_whole
from gru4rec_kedro.datasets.previews import small
from gru4rec_kedro.errors import MissingFileError, UnwritableError
from gru4rec_kedro.kedro_internals import (
    HTMLPreview,
    has_version,
    location_of,
    reaching_entry,
    unwrapped,
    writing_to,
)


class StoredFile(AbstractVersionedDataset[Any, Any]):
    """Base of our own datasets of one file, with what Kedro's datasets of files have.

    Args:
        filepath: The file: a path or an address.
        credentials: Options of its store.
        version: Kedro's version, where the entry is versioned.
        metadata: For plugins.
    """

    def __init__(
        self,
        filepath: str,
        credentials: dict[str, Any] | None,
        version: Version | None,
        metadata: dict[str, Any] | None,
    ) -> None:
        self._protocol, path = get_protocol_and_path(filepath, version)
        self._fs = fsspec.filesystem(self._protocol, **(credentials or {}))
        super().__init__(
            PurePosixPath(path),
            version,
            exists_function=self._fs.exists,
            glob_function=self._fs.glob,
        )
        self.metadata = metadata

    def _exists(self) -> bool:
        return bool(self._fs.exists(get_filepath_str(self._get_load_path(), self._protocol)))


def _refuse_misread(filepath: str) -> None:
    """Refuses what Kedro reads otherwise than others; a catalog has `~/…` written out."""
    if filepath.startswith("~/"):
        raise ConfigError(f"{filepath}: write the home folder out; Kedro takes ~ for a name")
    if re.match("memory://[^/]", filepath):
        raise ConfigError(
            f"{filepath}: write memory:/// and the path; Kedro would leave out the first part of it"
        )


class WrittenWhole:
    """Mixin for file datasets: they write to a temporary file, which is renamed or uploaded.

    A writer that is killed otherwise leaves a broken file under the final name, which
    `--only-missing-outputs` then trusts.
    """

    # not __init__, whose arguments Kedro takes for those of the entry
    def __new__(cls, *_: Any, **given: Any) -> Self:
        """Makes a dataset.

        Raises:
            ConfigError: The file is nowhere that could be reached, or written.
        """
        if "filepath" in given:  # in a copy it is not
            locate_writable(given["filepath"], ConfigError)
            _refuse_misread(str(given["filepath"]))
        return super().__new__(cls)

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if hasattr(cls, "preview"):
            cls.preview = small(cls.preview)

    def resolve_load_version(self) -> str | None:
        """The version to load: that of `--load-versions`, or this run's own, or the newest."""
        version = getattr(self, "_version", None)
        own = version.save if version and not version.load else None
        if own and has_version(self, own):  # type: ignore[arg-type]
            return str(own)
        newest: str | None = super().resolve_load_version()  # type: ignore[misc]
        return newest

    def load(self) -> Any:
        """Loads what is there.

        Raises:
            MissingFileError: The file, or the version that was asked for, is not there.
            UnreachableError: Its store cannot be reached.
        """
        if not self._is_there():
            version = getattr(self, "_version", None)
            wanted = f"version {version.load} of " if version and version.load else ""
            raise MissingFileError(
                f"there is no {wanted}{show(self._place)}; run the pipeline that makes it first"
            )
        return super().load()  # type: ignore[misc]

    @property
    def _place(self) -> Location:
        return location_of(self, self._filepath)  # type: ignore[attr-defined]

    def _is_there(self) -> bool:
        if is_remote(self._place):
            self._fs.invalidate_cache()  # type: ignore[attr-defined]  # others write there, too
        with reaching_entry(self):
            return bool(self.exists())  # type: ignore[attr-defined]

    def save(self, data: Any) -> None:
        """Saves data, or leaves what was there before.

        Raises:
            UnwritableError: The file or its folder cannot be written.
        """
        final = self._place
        try:
            final = self._new_place()
            make_folders(final.parent)
            self._write_whole(data, final)
        except OSError as error:
            # left to itself, Kedro would blame versioning
            raise UnwritableError(
                f"cannot write {show(final)}: {error}; check the path in the catalog, its rights "
                "and the space on the disk"
            ) from error

    def _new_place(self) -> Location:
        try:  # of versions, Kedro asks the store whether this one is there
            return location_of(self, self._get_save_path())  # type: ignore[attr-defined]
        except DatasetError:
            raise
        except Exception:
            with reaching(self._place):
                raise

    def _write_whole(self, data: Any, final: Location) -> None:
        with written_whole(final) as temporary:
            # Kedro's wrapper around save() would look for the file under its final name already
            unwrapped(super().save)(writing_to(temporary, self), data)  # type: ignore[misc]


class JSONDataset(WrittenWhole, KedroJSONDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class OptionalJSONDataset(JSONDataset):
    """A `JSONDataset` of what an earlier version of the project has not made: then it is empty."""

    def load(self) -> Any:
        """Loads the file; an empty mapping where there is none."""
        return super().load() if self._is_there() else {}


class CSVDataset(WrittenWhole, KedroCSVDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class _Optional:
    """Mixin for datasets of frames that need not be there."""

    def load(self) -> pd.DataFrame:
        """Loads the file; an empty frame where there is none."""
        there = self._is_there()  # type: ignore[attr-defined]
        frame: pd.DataFrame = super().load() if there else pd.DataFrame()  # type: ignore[misc]
        return frame


class OptionalCSVDataset(_Optional, CSVDataset):
    """A `CSVDataset` of what another pipeline may have made: without a file an empty frame."""


class ParquetDataset(WrittenWhole, KedroParquetDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class OptionalParquetDataset(_Optional, ParquetDataset):
    """A `ParquetDataset` of what another pipeline may have made: without a file an empty frame."""


class PlotlyDataset(WrittenWhole, KedroPlotlyDataset):
    """Kedro's plotly.JSONDataset, written whole or not at all."""


class TextDataset(WrittenWhole, KedroTextDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class PageDataset(TextDataset):
    """A `TextDataset` of a page of HTML."""

    def preview(self) -> HTMLPreview:
        """Shows what stands above the first section in kedro-viz, without scripts and figures."""
        page = unwrapped(KedroTextDataset.load)(self)
        main = page.partition("<main>")[2]
        first = re.split(r"<h2|</main>", main)[0]
        return HTMLPreview(re.sub(r"<script.*?</script>", "", first, flags=re.DOTALL))


class YAMLDataset(WrittenWhole, KedroYAMLDataset):
    """Kedro's dataset of this name, written whole or not at all."""
