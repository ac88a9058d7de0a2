"""The trained model as a catalog entry."""

import json
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import AbstractVersionedDataset, Version

from gru4rec import GRU4Rec, describe_model
from gru4rec_kedro.datasets.place import PlaceDataset
from gru4rec_kedro.datasets.written_whole import WrittenWhole
from gru4rec_kedro.kedro_internals import JSONPreview


class _ModelFile(AbstractVersionedDataset[GRU4Rec, GRU4Rec]):
    """Reads and writes; see `GRU4RecDataset`."""

    def __init__(
        self,
        *,
        filepath: str,
        device: str | None = None,
        with_optimizer: bool = True,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(PurePosixPath(filepath), version)
        self.device = device
        self._with_optimizer = with_optimizer
        self.metadata = metadata

    def load(self) -> GRU4Rec:
        return GRU4Rec.load(str(self._get_load_path()), self.device or "auto")

    def save(self, data: GRU4Rec) -> None:
        data.save(str(self._get_save_path()), self._with_optimizer)

    def _exists(self) -> bool:
        return Path(self._get_load_path()).exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "device": self.device, "version": self._version}


class GRU4RecDataset(WrittenWhole, _ModelFile):
    """A model in a `.pth` file: weights, configuration and item ids, no code.

    Args:
        filepath: The file.
        device: Where a loaded model goes: `auto`, `cpu`, `cuda:0`, ...; None: `auto`, but in this
            project where `model.device` of the parameters says.
        with_optimizer: Save what training further needs too.
        version: Kedro's version, where the entry is versioned.
        metadata: For plugins.
    """

    def _write_and_rename(self, data: GRU4Rec, final: Path) -> None:  # noqa: ARG002
        self._write(data)  # a model does that itself

    def preview(self) -> JSONPreview:
        """Shows architecture, sizes, options and training history in kedro-viz."""
        content = describe_model(str(self._get_load_path()))
        return JSONPreview(json.dumps(content))


class ModelPlaceDataset(PlaceDataset):
    """The file of a model that a node replaces by another, or leaves as it is."""

    def preview(self) -> JSONPreview:
        """Shows architecture, sizes, options and training history in kedro-viz."""
        return JSONPreview(json.dumps(describe_model(str(self.load()))))
