"""Runs tracked with MLflow, in environments that have an `mlflow.yml`."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from kedro.config import MissingConfigException
from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec import ConfigError, MissingExtraError
from gru4rec.addresses import local_copy, show
from gru4rec.config import LocalPath, Section
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.kedro_internals import file_of
from gru4rec_kedro.options.parameters import Parameters
from gru4rec_kedro.redaction import hide_login, hide_login_in

_SQLITE = "sqlite:///"


class TrackingConfig(Section):
    """The options in `mlflow.yml`.

    Attributes:
        tracking_uri: The store: `sqlite:///` and a path, or the address of a server.
        artifacts: Folder of the files of runs, for an experiment that is new; None leaves it to
            the server.
        experiment: The name that runs are collected under.
        registered_model: Name in the registry of models under which each trained model is a new
            version; None registers none.
    """

    tracking_uri: str
    artifacts: LocalPath | None = None
    experiment: str = "gru4rec"
    registered_model: str | None = None


class TrackingHooks:
    """Writes parameters, metrics, the model and the report of a run to MLflow.

    Without an `mlflow.yml` they do nothing, and MLflow is not imported.
    """

    def __init__(self) -> None:
        self._config: TrackingConfig | None = None
        self._parameters: dict[str, Any] = {}
        self._client: Any = None
        self._run_id = ""

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Reads `mlflow.yml`, where the environment has one."""
        self._config = self._client = None
        try:
            options = context.config_loader["mlflow"]
        except MissingConfigException:
            return
        try:
            self._config = TrackingConfig.parse(options, origin="mlflow.yml")
        except ConfigError as error:
            raise RunError(str(error)) from None
        self._parameters = Parameters.parse(
            context.config_loader["parameters"], origin="parameters"
        ).model_dump()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline) -> None:
        """Begins a run in MLflow, if this one trains or evaluates."""
        if self._config is None or not {"model", "metrics"} & pipeline.all_outputs():
            return
        self._client = _connect(self._config)
        self._run_id = self._client.create_run(
            _experiment_id(self._client, self._config),
            run_name=run_params["run_id"],
            tags={
                "kedro.env": str(run_params["env"]),
                "kedro.pipelines": ",".join(run_params["pipeline_names"] or ["__default__"]),
            },
        ).info.run_id
        for name, value in _flatten(self._parameters):
            self._client.log_param(self._run_id, name, value)

    @hook_impl
    def after_pipeline_run(
        self, run_result: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> None:
        """Writes what came out, and ends the run in MLflow."""
        if self._client is None:
            return
        if not run_result:  # --only-missing-outputs, and nothing was missing
            self._client.delete_run(self._run_id)
            return
        made = pipeline.all_outputs()
        if "training_history" in made:
            for epoch in catalog.load("training_history").to_dict(orient="records"):
                self._log_metrics(epoch, "valid/", "training/", step=int(epoch.pop("epoch")))
        if "metrics" in made:
            self._log_metrics(catalog.load("metrics"), "", "")
        if "report" in made and (path := file_of(catalog.get("report"))):
            with local_copy(path) as file:
                self._client.log_artifact(self._run_id, str(file))
        if "model" in made and (path := file_of(catalog.get("model"))):
            with local_copy(path) as file:
                self._log_model(file)
        self._end("FINISHED")

    @hook_impl(tryfirst=True)  # FailureHooks raises
    def on_pipeline_error(self) -> None:
        """Marks the run in MLflow as failed."""
        if self._client is not None:
            self._end("FAILED")

    def _log_metrics(
        self, values: Mapping[str, Any], measured: str, other: str, step: int = 0
    ) -> None:
        for name, value in values.items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                # MLflow's names have no @
                key = (measured if "@" in name else other) + name.replace("@", "_at_")
                self._client.log_metric(self._run_id, key, value, step=step)

    def _log_model(self, file: Path) -> None:
        """Writes the model file as an MLflow model, which `mlflow models serve` loads."""
        from gru4rec.pyfunc import save_pyfunc  # noqa: PLC0415  (loads torch)

        with tempfile.TemporaryDirectory() as folder:
            save_pyfunc(file, Path(folder, "model"))
            self._client.log_artifacts(self._run_id, folder)
        name = self._config.registered_model if self._config else None
        if name is None:
            return
        if not self._client.search_registered_models(f"name = '{name}'", max_results=1):
            self._client.create_registered_model(name)
        artifacts = self._client.get_run(self._run_id).info.artifact_uri
        self._client.create_model_version(name, f"{artifacts}/model", self._run_id)

    def _end(self, status: str) -> None:
        self._client.set_terminated(self._run_id, status)
        self._client = None


def _connect(config: TrackingConfig) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        import mlflow  # noqa: PLC0415  (takes seconds, and is an option)
    except ImportError as error:
        raise RunError(
            str(MissingExtraError.of("mlflow", "tracking, which mlflow.yml asks for,", error))
        ) from None
    if config.tracking_uri.startswith(_SQLITE):
        Path(config.tracking_uri.removeprefix(_SQLITE)).parent.mkdir(parents=True, exist_ok=True)
    try:
        client = mlflow.MlflowClient(config.tracking_uri)
        client.search_experiments(max_results=1)
    except Exception as error:
        uri, reason = config.tracking_uri, str(error)
        raise RunError(
            f"cannot reach tracking_uri {hide_login(uri)!r}: {hide_login_in(reason, uri)}"
        ) from None
    return client


def _experiment_id(client: Any, config: TrackingConfig) -> str:
    experiment = client.get_experiment_by_name(config.experiment)
    if experiment is not None:
        return str(experiment.experiment_id)
    artifacts = Path(config.artifacts).resolve().as_uri() if config.artifacts else None
    return str(client.create_experiment(config.experiment, artifacts))


def _flatten(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", show(value) if isinstance(value, str) else value
