"""What cannot end well is refused before anything runs."""

from collections.abc import Generator
from difflib import get_close_matches
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec import ConfigError, ModelFileError, describe_model
from gru4rec.config import resolve_device
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.options.parameters import Globals, Parameters
from gru4rec_kedro.running.entries import (
    NAMED_FILES,
    check_paths,
    check_places,
    check_types,
    make_datasets,
    warn_of_misspelt_entries,
)


class CheckingHooks:
    """Checks parameters, entries of the catalog, and what a run would read."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Refuses unknown and impossible parameters, all at once, before anything runs.

        Kedro alone would ignore a misspelt name in `--params` and run with the defaults.
        """
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

    @hook_impl(wrapper=True)
    def before_pipeline_run(
        self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> Generator[None, Any, Any]:
        """Refuses what cannot end well, before data engineering spends its time."""
        _check_named_files(run_params)
        try:
            make_datasets(catalog, pipeline.datasets())
            check_places(pipeline, catalog)
        except ConfigError as error:
            raise RunError(str(error)) from None
        warn_of_misspelt_entries(catalog, pipeline.datasets())
        _check_model(pipeline, catalog)
        return (yield)


def _check_named_files(run_params: dict[str, Any]) -> None:
    """Refuses names of files in `--params` that the pipelines do not read."""
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


def _check_model(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
    """Refuses a device that there is not, and an earlier model that cannot be read."""
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
