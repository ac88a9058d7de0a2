"""What Kedro's command line takes from the project: `kedro run`, with a hint."""

import copy
from typing import Any

import click
from kedro.framework.cli.project import run as kedro_run

run = copy.copy(kedro_run)


def _explained(callback: Any) -> Any:
    """Adds to a refusal of `--params` how a list is given: Kedro splits at all commas."""

    def parse(context: click.Context, option: click.Parameter, value: Any) -> Any:
        try:
            return callback(context, option, value)
        except click.UsageError as error:
            if "[" not in str(value):
                raise
            raise click.UsageError(
                f"{error.message} A list cannot be given by --params, which splits at commas. Put "
                "it into conf/local/parameters.yml, or into a file: kedro run --config mine.yml, "
                "with\nrun:\n  params:\n    evaluation: {cutoff: [5, 10, 20]}",
                context,
            ) from None

    return parse


run.params = [copy.copy(option) for option in kedro_run.params]
for _option in run.params:
    if _option.name == "params":
        _option.callback = _explained(_option.callback)


@click.group(name=__package__)
def cli() -> None:
    """Commands of the project."""


cli.add_command(run)
