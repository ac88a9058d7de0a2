from pathlib import Path

import pytest
import yaml

from gru4rec import Config, ConfigError
from gru4rec_kedro.options.parameters import ExperimentConfig, Parameters

RUNTIME_ONLY = {
    "events",
    "delimiter",
    "column_names",
    "skip_lines",
    "comment",
    "prepared",
    "sessions",
    "candidates",
    "titles",
    "outputs",
    "when_locked",
}
PROJECT_ONLY = RUNTIME_ONLY | {
    "experiment",
    "published",
    "recommendation",
    "baselines",
    "tuning",
    "backtest",
    "promotion",
}
PARAMETERS = Path(__file__).parents[3] / "conf/base/parameters.yml"


def test_parameters_file_names_every_option_of_every_section():
    content = yaml.safe_load(PARAMETERS.read_text())
    assert set(content) == set(Parameters()) - RUNTIME_ONLY
    parsed = Parameters.parse(content, "parameters.yml")
    for section, options in content.items():
        assert list(options) == list(parsed[section])


def test_sections_are_those_of_the_library():
    assert set(Config()) - {"paths"} == set(Parameters()) - PROJECT_ONLY


@pytest.mark.parametrize("options", [{"evaluate_on": "valid"}, {"valid_each_epoch": True}], ids=str)
def test_never_measures_on_what_the_model_learned_from(options):
    with pytest.raises(ConfigError, match="set train_on to train"):
        ExperimentConfig.parse(options, "experiment")
    assert ExperimentConfig.parse({**options, "train_on": "train"}, "experiment")


def test_days_are_no_positions():
    options = {"loading": {"time_unit": "ordinal"}, "training": {"retire_after_days": 3}}
    with pytest.raises(ConfigError, match="retire_after_days needs days, but time_unit is ordinal"):
        Parameters.parse(options, "here")
