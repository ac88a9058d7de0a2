import pytest

from gru4rec import ConfigError
from gru4rec.baselines import BASELINES, STAN
from gru4rec_kedro.options.baselines import BaselinesConfig


def test_without_names_all_are_measured():
    assert BaselinesConfig().names == list(BASELINES)
    assert BaselinesConfig(models=["stan", "sknn"]).names == ["stan", "sknn"]


def test_options_are_those_of_the_class():
    options = BaselinesConfig.parse({"options": {"stan": {"k": 7.0, "session_decay": 2}}}, "here")
    made, other = options.make("stan"), options.make("sknn")
    assert isinstance(made, STAN)
    assert (made.k, made.m, made.session_decay) == (7, 500, 2.0)
    assert other.k == 100


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_can_be_made_without_options(name):
    assert type(BaselinesConfig().make(name)) is BASELINES[name]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"models": ["stan", "stan"]}, "models: names a baseline twice"),
        ({"models": []}, "models: List should have at least 1 item"),
        ({"models": ["sknnn"]}, "models: there is no baseline 'sknnn'; did you mean 'sknn'?"),
        ({"options": {"foo": {}}}, "there is no baseline 'foo'; known are popularity, "),
        ({"options": {"popularity": {"k": 1}}}, "options: popularity has no options"),
        ({"options": {"stan": {"k": 0}}}, "options: stan: k is 0; at least 1 is expected"),
        (
            {"options": {"sknn": {"kk": 3, "m": "x"}}},
            "options: sknn: m: Input should be a valid integer, unable to parse string as an "
            "integer (got 'x'); kk: unknown option; did you mean 'k'?",
        ),
        ({"options": {"sknn": {"k": True}}}, "sknn: k: a number or text is expected"),
    ],
)
def test_what_no_baseline_has_is_refused(section, message):
    with pytest.raises(ConfigError) as caught:
        BaselinesConfig.parse(section, "here")
    assert message in str(caught.value)
