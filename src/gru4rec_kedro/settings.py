"""Project settings; Kedro reads them by name."""

from gru4rec_kedro.running.checking import CheckingHooks
from gru4rec_kedro.running.config_loader import ConfigLoader
from gru4rec_kedro.running.console import ConsoleHooks
from gru4rec_kedro.running.device import DeviceHooks
from gru4rec_kedro.running.exclusive import ExclusiveHooks
from gru4rec_kedro.running.failures import FailureHooks
from gru4rec_kedro.running.log_names import LogNameHooks
from gru4rec_kedro.running.session import Session
from gru4rec_kedro.running.spark import SparkHooks
from gru4rec_kedro.running.tracking import TrackingHooks

# the last one is asked first: parameters are checked before anything is locked or tracked, and
# nobody waits for a run that cannot begin
HOOKS = (
    TrackingHooks(),
    ExclusiveHooks(),
    FailureHooks(),
    DeviceHooks(),
    SparkHooks(),
    CheckingHooks(),
    LogNameHooks(),
    ConsoleHooks(),
)

SESSION_CLASS = Session

CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    # an environment changes single options, it does not repeat whole sections
    "merge_strategy": {"parameters": "soft"},
    "config_patterns": {"mlflow": ["mlflow*"], "spark": ["spark*"]},
}
