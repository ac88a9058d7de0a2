"""The project's `kedro run`."""

from click.testing import CliRunner
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.cli.utils import find_run_command

from gru4rec_kedro.cli import cli


def test_a_list_in_params_is_explained():
    refused = CliRunner().invoke(cli, ["run", "--params", "evaluation.cutoff=[5,10]"])
    assert refused.exit_code == 2
    assert "Put it into conf/local/parameters.yml" in refused.output
    assert "evaluation: {cutoff: [5, 10, 20]}" in refused.output


def test_other_mistakes_are_told_as_before():
    refused = CliRunner().invoke(cli, ["run", "--params", "evaluation"])
    assert refused.exit_code == 2
    assert "must contain a key" in refused.output
    assert "conf/local" not in refused.output


def test_kedros_own_command_stays_as_it_is():
    assert find_run_command("gru4rec_kedro") is cli.commands["run"]
    assert kedro_run is not cli.commands["run"]
    refused = CliRunner().invoke(kedro_run, ["--params", "evaluation.cutoff=[5,10]"])
    assert "conf/local" not in refused.output
