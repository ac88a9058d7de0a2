"""What happens around a run: parameters are checked before it, results are shown after it."""

import logging
import os
from collections.abc import Generator, Iterable
from difflib import get_close_matches
from typing import Any

import duckdb
from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Node, Pipeline

from gru4rec import (
    ConfigError,
    DataError,
    GRU4RecError,
    ModelFileError,
    describe_model,
    find_damaged,
    resolve_device,
)
from gru4rec.preparation import say_cannot_spill
from gru4rec_kedro.datasets import EventsDataset, GRU4RecDataset
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.kedro_internals import file_of
from gru4rec_kedro.options.parameters import Globals, Parameters, PublishedConfig
from gru4rec_kedro.reporting.results import results_table
from gru4rec_kedro.running.console import wrap_log_lines
from gru4rec_kedro.running.entries import (
    NAMED_FILES,
    check_paths,
    check_types,
    make_datasets,
    warn_of_misspelt_entries,
)

logger = logging.getLogger(__name__)


def _find_mistake(
    error: BaseException | None, names: Iterable[str], catalog: CatalogProtocol[Any, Any]
) -> GRU4RecError | None:
    """Looks for a user's mistake behind an error.

    Args:
        error: What was raised, and what it was raised from.
        names: The datasets that may be at fault.
        catalog: Has them.
    """
    while error is not None and not isinstance(error, GRU4RecError):
        if isinstance(error, duckdb.Error) and (no_room := say_cannot_spill(error)):
            return DataError(no_room)
        if isinstance(error, duckdb.OutOfMemoryException):
            return DataError(
                "A query needs more memory than DuckDB may use; raise memory_limit in globals.yml "
                f"({str(error).splitlines()[0]})"
            )
        if isinstance(error, duckdb.Error):  # mostly tells neither what it was nor in which file
            datasets = [catalog.get(name) for name in sorted(names)]
            events = [data for data in datasets if isinstance(data, EventsDataset)]
            files = [file_of(data) for data in events if data.exists()]
            damaged = find_damaged(path for path in files if path)
            if damaged:
                return DataError(
                    f"{damaged} is damaged ({str(error).splitlines()[0]}); run the pipeline again "
                    "that makes it"
                )
        error = error.__cause__  # Kedro wraps what a dataset raises
    return error


class ProjectHooks:
    """Hooks of the project."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Refuses unknown and impossible parameters, all at once, before anything runs.

        Kedro alone would ignore a misspelt name in `--params` and run with the defaults.
        """
        wrap_log_lines()
        loader = context.config_loader
        try:
            parameters = Parameters.parse(loader["parameters"], origin="parameters")
            # others are the user's own, for entries of the catalog
            known = Globals.model_fields
            ours = {n: v for n, v in loader["globals"].items() if get_close_matches(n, known)}
            Globals.parse(ours, origin="globals.yml")
            entries = loader["catalog"]
            check_types(entries)
            check_paths(parameters, loader.runtime_params, entries)
        except (ConfigError, MissingConfigException) as error:
            raise RunError(str(error)) from None

    @hook_impl
    def after_catalog_created(
        self, catalog: CatalogProtocol[Any, Any], parameters: dict[str, Any]
    ) -> None:
        """Lets the model be loaded onto the device of the section `model`, if its entry has none.

        A catalog file cannot refer to parameters.
        """
        try:
            make_datasets(catalog, ["model"])
        except ConfigError as error:
            raise RunError(str(error)) from None
        dataset = catalog.get("model")
        if isinstance(dataset, GRU4RecDataset) and dataset.device is None:
            dataset.device = Parameters.parse(parameters["parameters"], "parameters").model.device

    @hook_impl(wrapper=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> Generator[None, Any, Any]:
        """Refuses what cannot end well, before data engineering spends its time."""
        self._check(run_params, pipeline, catalog)
        return (yield)

    def _check(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        # with --from-nodes and the like, what a run goes on from was made of the file before
        names = run_params["pipeline_names"] or ["__default__"]
        whole = sum((pipelines[name] for name in names), start=Pipeline([]))
        for name, (dataset, readers) in NAMED_FILES.items():
            read = dataset.format(part="train_full") in whole.inputs()
            if name in run_params["runtime_params"] and not read:
                raise RunError(
                    f"{name} names what this run does not read; use kedro run --pipelines "
                    f"{readers}, or leave {name} out"
                )
        try:
            make_datasets(catalog, pipeline.datasets())
        except ConfigError as error:
            raise RunError(str(error)) from None
        warn_of_misspelt_entries(catalog, pipeline.datasets())
        if "params:model" in pipeline.all_inputs():
            try:
                resolve_device(catalog.load("params:model").device)
            except ConfigError as error:
                raise RunError(f"params:model: {error}") from None
        if "model" in pipeline.all_outputs():
            earlier = catalog.load("params:experiment").earlier_model
            try:
                if earlier:
                    describe_model(earlier)
            except ModelFileError as error:
                raise RunError(f"experiment.continue_from: {error}") from None

    @hook_impl
    def on_node_error(
        self, error: Exception, node: Node, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Names the node that failed; a user's mistake is told once, by `on_pipeline_error`."""
        if _find_mistake(error, node.inputs, catalog) is None:
            logger.error("Node %s failed: %s", node.name, error)

    @hook_impl
    def on_pipeline_error(
        self, error: Exception, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Turns an error of `gru4rec` into its message; any other keeps its traceback."""
        mistake = _find_mistake(error, pipeline.datasets(), catalog)
        if mistake is not None:
            raise RunError(str(mistake)) from error

    @hook_impl
    def after_pipeline_run(
        self, run_result: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Closes with the results and the place of the report, if anything ran."""
        if not run_result:  # --only-missing-outputs, and nothing was missing
            return
        if "metrics" in pipeline.all_outputs():
            published = PublishedConfig.parse(catalog.load("params:published"), "published")
            logger.info("Results\n%s", results_table(catalog.load("metrics"), published))
        if "report" in pipeline.all_outputs() and (path := file_of(catalog.get("report"))):
            logger.info("Report: %s", os.path.relpath(path))
