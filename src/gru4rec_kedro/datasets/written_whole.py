"""Files are written whole or not at all."""

from pathlib import Path, PurePosixPath
from typing import Any, Self

import pandas as pd
from kedro_datasets.json import JSONDataset as KedroJSONDataset
from kedro_datasets.pandas import CSVDataset as KedroCSVDataset
from kedro_datasets.pandas import ParquetDataset as KedroParquetDataset
from kedro_datasets.plotly import JSONDataset as KedroPlotlyDataset
from kedro_datasets.text import TextDataset as KedroTextDataset
from kedro_datasets.yaml import YAMLDataset as KedroYAMLDataset

from gru4rec import ConfigError
from gru4rec.files import check_local, make_folders, written_whole
from gru4rec_kedro.errors import MissingFileError, UnwritableError
from gru4rec_kedro.kedro_internals import has_version, unwrapped


class WrittenWhole:
    """Mixin for file datasets: they write to a temporary name beside the file and rename it.

    A writer that is killed otherwise leaves a broken file under the final name, which
    `--only-missing-outputs` then trusts.
    """

    _temporary_path: PurePosixPath | None = None

    # not __init__, whose arguments Kedro takes for those of the entry
    def __new__(cls, *_: Any, **given: Any) -> Self:
        """Makes a dataset.

        Raises:
            ConfigError: The file is not on this machine.
        """
        if "filepath" in given:  # in a copy it is not
            check_local(given["filepath"], ConfigError)
        return super().__new__(cls)

    def _get_save_path(self) -> PurePosixPath:
        path: PurePosixPath = self._temporary_path or super()._get_save_path()  # type: ignore[misc]
        return path

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
        """
        if not self.exists():  # type: ignore[attr-defined]
            version = getattr(self, "_version", None)
            wanted = f"version {version.load} of " if version and version.load else ""
            raise MissingFileError(
                f"there is no {wanted}{self._filepath}; run the pipeline that makes it first"  # type: ignore[attr-defined]
            )
        return super().load()  # type: ignore[misc]

    def save(self, data: Any) -> None:
        """Saves data, or leaves what was there before.

        Raises:
            UnwritableError: The file or its folder cannot be written.
        """
        final = Path(self._get_save_path())
        try:
            make_folders(final.parent)
            self._write_and_rename(data, final)
        except OSError as error:
            # left to itself, Kedro would blame versioning
            raise UnwritableError(
                f"cannot write {final}: {error}; check the path in the catalog, its rights and "
                "the space on the disk"
            ) from error

    def _write_and_rename(self, data: Any, final: Path) -> None:
        with written_whole(final) as temporary:
            self._temporary_path = PurePosixPath(temporary)
            try:
                self._write(data)
            finally:
                self._temporary_path = None

    def _write(self, data: Any) -> None:
        # Kedro's wrapper around save() would look for the file under its final name already
        unwrapped(super().save)(self, data)  # type: ignore[misc]


class JSONDataset(WrittenWhole, KedroJSONDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class OptionalJSONDataset(JSONDataset):
    """A `JSONDataset` of what an earlier version of the project has not made: then it is empty."""

    def load(self) -> Any:
        """Loads the file; an empty mapping where there is none."""
        return super().load() if self.exists() else {}


class CSVDataset(WrittenWhole, KedroCSVDataset):
    """Kedro's dataset of this name, written whole or not at all."""


class _Optional:
    """Mixin for datasets of frames that need not be there."""

    def load(self) -> pd.DataFrame:
        """Loads the file; an empty frame where there is none."""
        frame: pd.DataFrame = super().load() if self.exists() else pd.DataFrame()  # type: ignore[misc,attr-defined]
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


class YAMLDataset(WrittenWhole, KedroYAMLDataset):
    """Kedro's dataset of this name, written whole or not at all."""
