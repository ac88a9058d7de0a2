"""Figures and the report."""

import platform
from importlib.metadata import version
from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.io
import yaml
from plotly.offline import get_plotlyjs

from gru4rec_kedro.pipelines.modelling.results import describe_run, metrics_by_cutoff

_LIBRARIES = ("torch", "pandas", "numpy", "kedro", "ibis-framework", "duckdb")


def write_report(
    metrics: dict[str, Any],
    split_statistics: pd.DataFrame,
    filter_report: pd.DataFrame,
    training_figure: go.Figure,
    metrics_figure: go.Figure,
    session_length_figure: go.Figure,
    item_popularity_figure: go.Figure,
    parameters: dict[str, Any],
) -> str:
    """Writes one self-contained HTML page: works offline, escapes all that comes from the data."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gru4rec_kedro.pipelines.modelling", "."), autoescape=True
    )
    figures = [training_figure, metrics_figure, session_length_figure, item_popularity_figure]
    return environment.get_template("report.html").render(
        summary=describe_run(metrics),
        results=metrics_by_cutoff(metrics),
        tie_mode=metrics["tie_mode"],
        statistics=split_statistics.drop(columns=["first_time", "last_time"]),
        rounds=filter_report,
        figures=[
            plotly.io.to_html(
                figure, full_html=False, include_plotlyjs=False, config={"responsive": True}
            )
            for figure in figures
        ],
        plotlyjs=get_plotlyjs(),
        # the model may be of an earlier run, with other options than today's
        parameters=yaml.safe_dump(
            {**_plain(parameters), "model": metrics["model"]}, sort_keys=False
        ),
        versions={"python": platform.python_version()} | {n: version(n) for n in _LIBRARIES},
    )


def _plain(value: Any) -> Any:
    """Turns validated sections back into mappings that YAML can show."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value
