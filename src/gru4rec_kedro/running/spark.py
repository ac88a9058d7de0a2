"""Spark for runs that need it."""

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl

from gru4rec import SparkError
from gru4rec.preparation import configure_spark
from gru4rec_kedro.errors import RunError


class SparkHooks:
    """Reads `spark.yml` of the environment; no session is started before an entry needs it."""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Says what a session is started with."""
        try:
            options = context.config_loader["spark"]
        except MissingConfigException:
            options = {}
        try:
            configure_spark(options)
        except SparkError as error:
            raise RunError(f"spark.yml: {error}") from None
