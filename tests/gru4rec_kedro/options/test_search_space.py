import re

import pytest

from gru4rec import ConfigError
from gru4rec_kedro.options.search_space import SearchConfig, TuningConfig, as_option, with_options

RANGE = {"low": 0.1, "high": 0.3, "step": 0.1}


def parse(option, searched, section="model"):
    return TuningConfig.parse({"search": {section: {option: searched}}}, "tuning")


@pytest.mark.parametrize(
    ("option", "searched"),
    [
        ("layers", {"low": 64, "high": 512, "step": 32}),
        ("layers", {"choices": [[100], [100, 100]]}),
        ("batch_size", {"low": 32, "high": 256, "log": True}),
        ("learning_rate", {"low": 0.01, "high": 0.25, "step": 0.005}),
        ("dropout_p_hidden", {"low": 0, "high": 0.7, "step": 0.05}),
        ("constrained_embedding", {"choices": [True, False]}),
        ("loss", {"choices": ["cross-entropy", "bpr-max"]}),
        ("embedding", {"choices": [0, "layersize"]}),
    ],
)
def test_any_option_may_be_searched(option, searched):
    assert list(parse(option, searched).search.options) == [f"model.{option}"]


def test_what_an_environment_adds_replaces_what_it_is_merged_into():
    chosen = parse("learning_rate", RANGE | {"choices": [0.1, 0.4]}).search.model["learning_rate"]
    assert (chosen.choices, chosen.low, chosen.high, chosen.step) == ([0.1, 0.4], None, None, None)
    even = parse("learning_rate", RANGE | {"high": 0.35, "log": True}).search.model["learning_rate"]
    assert (even.low, even.high, even.step, even.log) == (0.1, 0.35, None, True)


@pytest.mark.parametrize(
    ("option", "searched", "message"),
    [
        ("learnig_rate", RANGE, "model.learnig_rate: unknown option; did you mean 'learning_rate'"),
        ("momentum", {"low": 0, "high": 1.0}, "momentum: Input should be less than 1 (got 1.0)"),
        ("batch_size", {"low": 0, "high": 8}, "batch_size: Input should be greater than 0"),
        ("batch_size", {"low": 1.5, "high": 8}, "batch_size: Input should be a valid integer"),
        ("layers", {"low": 0, "high": 8}, "layers.0: Input should be greater than 0"),
        ("loss", {"choices": ["bpr"]}, "Input should be 'cross-entropy'"),
        ("loss", {"low": 1, "high": 2}, "Input should be 'cross-entropy'"),
        ("learning_rate", {"low": 0.3, "high": 0.1}, "low and high, with low <= high"),
        ("learning_rate", {"low": 0.1}, "low and high, with low <= high, or choices"),
        ("learning_rate", {"low": True, "high": 2}, "valid number"),
        ("learning_rate", {"low": 0.0, "high": 0.1, "log": True}, "log needs low > 0"),
        ("learning_rate", RANGE | {"high": 0.35}, "step 0.1 does not lead from 0.1 to 0.35"),
        ("loss", {"choices": []}, "choices is a list of at least one value"),
        ("seed", {"low": 1, "high": 9}, "model.seed: is never searched"),
        ("learning_rate", {"min": 0.1, "high": 1}, "min: unknown option; known are low"),
    ],
)
def test_impossible_spaces_are_refused(option, searched, message):
    with pytest.raises(ConfigError, match=re.escape(message)):
        parse(option, searched)


def test_all_mistakes_are_told_at_once():
    space = {"model": {"nonsense": RANGE, "momentum": {"low": 0, "high": 2}}}
    with pytest.raises(ConfigError, match=r"(?s)nonsense.*momentum"):
        SearchConfig.parse(space, "search")


@pytest.mark.parametrize("metric", ["mrr", "mrr@", "nonsense@20", "recall@0", "recall@5@5"])
def test_a_metric_is_one_of_the_table_at_a_cutoff(metric):
    with pytest.raises(
        ConfigError, match=r"metric: .*; expected recall@k, mrr@k.*, such as mrr@20"
    ):
        TuningConfig.parse({"metric": metric}, "tuning")


def test_null_takes_an_option_out():
    assert not parse("layers", None).search.options


def test_a_number_of_units_is_a_layer():
    assert as_option("model.layers", 64) == as_option("model.layers", [64]) == [64]
    assert as_option("model.batch_size", 64.0) == 64
    assert as_option("model.momentum", 0.1 + 0.2) == 0.3


def test_searched_values_take_the_place_of_a_sections_own():
    found = {"model.layers": [7], "training.compatibility_mode": False}
    model = with_options("model", {"layers": [5], "momentum": 0.5}, found)
    assert (model.layers, model.momentum) == ([7], 0.5)
    assert with_options("training", {}, found).compatibility_mode is False
