"""What happens around a run: parameters are checked before it, results are shown after it."""

import logging
import os
from pathlib import Path
from typing import Any

from kedro.framework.cli.utils import KedroCliError
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec import ConfigError
from gru4rec_kedro.parameters import Parameters
from gru4rec_kedro.pipelines.modelling.report import results_table

logger = logging.getLogger(__name__)


class ParameterError(ConfigError, KedroCliError):
    """Parameters are wrong; the command line shows the message without a traceback."""


class ProjectHooks:
    """Hooks of the project."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Refuses unknown and impossible parameters, all at once, before anything runs.

        Kedro alone would ignore a misspelt name in `--params` and run with the defaults.
        """
        try:
            Parameters.parse(context.config_loader["parameters"], origin="parameters")
        except ConfigError as error:
            raise ParameterError(str(error)) from None

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]) -> None:
        """Closes with the results and the place of the report."""
        if "metrics" in pipeline.all_outputs():
            logger.info("Results\n%s", results_table(catalog.load("metrics")))
        if "report" in pipeline.all_outputs():
            path = Path(getattr(catalog.get("report"), "_filepath", ""))
            logger.info("Report: %s", os.path.relpath(path))
