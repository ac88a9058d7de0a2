"""The trained model as a catalog entry."""

import json
from typing import Any

from kedro.io import Version

from gru4rec import GRU4Rec, describe_model
from gru4rec.addresses import Location
from gru4rec_kedro.datasets.place import PlaceDataset
from gru4rec_kedro.datasets.previews import small
from gru4rec_kedro.datasets.written_whole import StoredFile, WrittenWhole
from gru4rec_kedro.kedro_internals import JSONPreview, location_of


class _ModelFile(StoredFile):
    """Reads and writes; see `GRU4RecDataset`."""

    def __init__(
        self,
        *,
        filepath: str,
        device: str | None = None,
        with_optimizer: bool = True,
        credentials: dict[str, Any] | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath, credentials, version, metadata)
        self.device = device
        self._with_optimizer = with_optimizer

    def load(self) -> GRU4Rec:
        return GRU4Rec.load(location_of(self, self._get_load_path()), self.device or "auto")

    def save(self, data: GRU4Rec) -> None:
        data.save(location_of(self, self._get_save_path()), self._with_optimizer)

    def _describe(self) -> dict[str, Any]:
        return {"filepath": self._filepath, "device": self.device, "version": self._version}


class GRU4RecDataset(WrittenWhole, _ModelFile):
    """A model in a `.pth` file: weights, configuration and item ids, no code.

    Args:
        filepath: The file.
        device: Where a loaded model goes: `auto`, `cpu`, `cuda:0`, ...; None: `auto`, but in this
            project where `model.device` of the parameters says.
        with_optimizer: Save what training further needs too.
        credentials: Options of the store, where the file is in one.
        version: Kedro's version, where the entry is versioned.
        metadata: For plugins.
    """

    def _write_whole(self, data: GRU4Rec, final: Location) -> None:
        data.save(final, self._with_optimizer)  # a model does that itself

    def preview(self) -> JSONPreview:
        """Shows architecture, sizes, options and training history in kedro-viz."""
        content = describe_model(location_of(self, self._get_load_path()))
        return JSONPreview(json.dumps(content))


class ModelPlaceDataset(PlaceDataset):
    """The file of a model that a node replaces by another, or leaves as it is."""

    @small
    def preview(self) -> JSONPreview:
        """Shows architecture, sizes, options and training history in kedro-viz."""
        return JSONPreview(json.dumps(describe_model(self.load())))
