"""Pages that are read in a browser: how those of all pipelines look."""

from typing import Any

import jinja2
import pandas as pd
import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from gru4rec_kedro.reporting.provenance import code_version, library_versions

_MISSING = "–"


def render_page(package: str, template: str, title: str, **values: Any) -> str:
    """Renders one self-contained HTML page: works offline, escapes all that comes from the data.

    Args:
        package: Where the template is.
        template: A file there that extends `page.html` and fills its block `content`; the macros
            `section` (a heading, and what it means for the reader), `show` (of `as_cells`), `list`
            (of facts by name) and `plot` (of names of `figures`) are in `blocks.html`.
        title: Of the page.
        values: What else the template asks for; `figures` are by name, see `as_html`.
    """
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [jinja2.PackageLoader(name, ".") for name in (package, "gru4rec_kedro.reporting")]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(
        title=title,
        plotlyjs=get_plotlyjs(),
        code=code_version(),
        libraries=library_versions(),
        **values,
    )


def as_html(figure: go.Figure) -> dict[str, str]:
    """Turns a figure into a part of a page, and what a reader who cannot see it is told."""
    # a copy: what the catalog gave is not ours to change
    fitted = go.Figure(figure).update_layout(
        margin={"l": 60, "r": 20, "t": 50, "b": 90},
        title_font_size=15,
        paper_bgcolor="rgba(0,0,0,0)",  # that of the page, which may be dark
        plot_bgcolor="rgba(0,0,0,0)",
    )
    html = plotly.io.to_html(
        fitted,
        full_html=False,
        include_plotlyjs=False,
        default_height="380px",
        config={"responsive": True, "displayModeBar": False},
    )
    return {"html": html, "title": str(figure.layout.title.text or "figure")}


def as_cells(table: pd.DataFrame, by: str | None = None) -> dict[str, Any]:
    """Turns a table into headings and rows of text.

    Args:
        table: Shown as it is.
        by: A column of numbers, of which a reader chooses one: see `choice` in `blocks.html`.
    """
    names = [str(name).replace("_", " ") for name in table]
    columns = [_format(table[name]) for name in table]
    choices = table[by].astype(int).tolist() if by else [None] * len(table)
    return {"headings": names, "rows": list(zip(*columns, strict=True)), "choices": choices}


def as_date(text: str) -> str:
    """2024-06-01T00:00:53+00:00, as the library writes it, for readers."""
    return text.replace("T", " ").replace("+00:00", " UTC")


def _format(column: "pd.Series[Any]") -> list[str]:
    if not pd.api.types.is_numeric_dtype(column.dtype):
        return [_MISSING if pd.isna(value) or value == "" else str(value) for value in column]
    found = column.dropna()
    # counts with gaps come as floats
    counts = pd.api.types.is_integer_dtype(column.dtype) or (
        bool((found == found.round()).all()) and not found.between(-1, 1).all()
    )
    pattern = "{:,.0f}" if counts else "{:,.4f}"
    return [_MISSING if pd.isna(value) else pattern.format(value) for value in column]
