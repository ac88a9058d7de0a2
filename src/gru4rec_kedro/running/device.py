"""The device of the parameters is that of the catalog's model, too."""

from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol

from gru4rec import ConfigError
from gru4rec_kedro.datasets import GRU4RecDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.options.parameters import Parameters
from gru4rec_kedro.running.entries import make_datasets


class DeviceHooks:
    """Lets the model be loaded onto the device of the section `model`, if its entry has none.

    A catalog file cannot refer to parameters.
    """

    @hook_impl
    def after_catalog_created(
        self, catalog: CatalogProtocol[Any, Any], parameters: dict[str, Any]
    ) -> None:
        """Sets the device of the entry `model`."""
        try:
            make_datasets(catalog, ["model"])
        except ConfigError as error:
            raise RunError(str(error)) from None
        dataset = catalog.get("model")
        if isinstance(dataset, GRU4RecDataset) and dataset.device is None:
            dataset.device = Parameters.parse(parameters["parameters"], "parameters").model.device
