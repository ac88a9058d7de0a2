"""Tells nodes what the log is called: an Ibis table does not know its file."""

from pathlib import Path
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol, MemoryDataset

from gru4rec.addresses import show

_LOGS = ("raw_log", "prepared_{part}")


class LogNameHooks:
    """Puts the paths of the raw log and of the prepared parts into the catalog."""

    @hook_impl
    def after_catalog_created(
        self, catalog: CatalogProtocol[Any, Any], conf_catalog: dict[str, Any]
    ) -> None:
        """Fills `log_names`: path or table of each of these entries, by the name of the entry."""
        paths = {
            name: _shown(str(entry.get("filepath") or entry.get("table") or entry.get("type", "")))
            for name, entry in conf_catalog.items()
            if name in _LOGS and isinstance(entry, dict)
        }
        names = {name: paths.get(name, "an entry of another name") for name in _LOGS}
        # a catalog of another project need not have the entry
        if "log_names" not in catalog:
            catalog["log_names"] = MemoryDataset()
        catalog.save("log_names", names)


def _shown(path: str) -> str:
    """A path as its owner would write it; Kedro makes all of them absolute."""
    inside = Path(path).is_relative_to(Path.cwd())
    return str(Path(path).relative_to(Path.cwd())) if inside else show(path)
