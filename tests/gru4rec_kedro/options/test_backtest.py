import pytest

from gru4rec import ConfigError
from gru4rec_kedro.options.backtest import BacktestConfig


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"n_windows": 1}, "n_windows: Input should be greater than or equal to 2"),
        ({"strategies": []}, "strategies: List should have at least 1 item"),
        ({"strategies": ["once", "once"]}, "strategies: names one twice"),
        ({"strategies": ["retrai"]}, "strategies.0: Input should be 'once', 'retrain' or"),
        ({"baselines": ["sknnn"]}, "there is no baseline 'sknnn'; did you mean 'sknn'?"),
        ({"metric": "mrr"}, "metric is 'mrr'; expected recall@k"),
    ],
)
def test_what_cannot_be_measured_is_refused(section, message):
    with pytest.raises(ConfigError) as caught:
        BacktestConfig.parse(section, "here")
    assert message in str(caught.value)


def test_baselines_are_not_needed_and_a_date_is_an_end():
    assert BacktestConfig(baselines=[], until="1970-01-02").until == 86_400
