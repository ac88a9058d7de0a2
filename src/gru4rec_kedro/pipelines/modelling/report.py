"""The report: one HTML page with everything that a reader wants to know of a run."""

import math
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import yaml

from gru4rec.config import Section
from gru4rec.evaluation import METRICS
from gru4rec_kedro.options.parameters import ExperimentConfig, Parameters, PublishedConfig
from gru4rec_kedro.pipelines.modelling.beside import MODEL
from gru4rec_kedro.pipelines.modelling.comparison import compare_versions, compare_with_published
from gru4rec_kedro.pipelines.modelling.coverage import K
from gru4rec_kedro.pipelines.modelling.examples import describe_examples
from gru4rec_kedro.pipelines.modelling.first_screen import describe_run_at_a_glance, make_cards
from gru4rec_kedro.pipelines.modelling.nodes import MANY_TIES
from gru4rec_kedro.reporting.origins import OF_DATA, say_unchecked
from gru4rec_kedro.reporting.page import as_cells, as_date, as_html, render_page
from gru4rec_kedro.reporting.results import describe_run, leads, metrics_by_cutoff, metrics_in

_TARGETS = {
    "all": "every event but the first of a session",
    "first": "the second event of each session",
    "last": "the last event of each session",
}
# rows of what was dropped that say more of the log, as `gru4rec.preparation` writes them
_REMARKS = ("equal times", "sessions longer")
# other pipelines have these
_NOT_OF_THIS_PAGE = ("recommendation", "tuning", "backtest", "promotion")


def write_report(
    metrics: dict[str, Any],
    metrics_history: dict[str, dict[str, Any]],
    breakdowns: pd.DataFrame,
    baseline_comparison: pd.DataFrame,
    split_statistics: pd.DataFrame,
    data_quality: pd.DataFrame,
    example_sessions: dict[str, Any],
    origins: dict[str, Any],
    data_origin: dict[str, Any],
    items: pd.DataFrame,
    parameters: dict[str, Any],
    **figures: go.Figure,
) -> str:
    """Writes one self-contained HTML page: works offline, escapes all that comes from the data.

    Args:
        metrics: Of this run.
        metrics_history: Of all runs, by version.
        breakdowns: Metrics of groups of targets.
        baseline_comparison: The model beside simple baselines; without rows where none were
            measured.
        split_statistics: What is in each part of the log.
        data_quality: What was dropped from the raw log, and why, a row a step; may be empty.
        example_sessions: See `choose_examples`.
        origins: Whether all of this belongs together, see `check_origins`.
        data_origin: What the parts were made of, see `note_origin`.
        items: Titles and pictures by id, as text; may be empty.
        parameters: Of this run.
        figures: By the names that the page has places for.
    """
    published = PublishedConfig.parse(parameters.get("published", {}), "parameters")
    # what is shown may be of an earlier run, with other options than today's
    options = _plain(parameters) | _made_with(metrics, origins)
    mixed = origins["mixed"] + say_unchecked(origins, data_origin, metrics)
    experiment = ExperimentConfig.parse(parameters.get("experiment", {}), "parameters")
    shown = example_sessions if experiment.example_sessions else {}
    return render_page(
        "gru4rec_kedro.pipelines.modelling",
        "report.html",
        "GRU4Rec report",
        summary=describe_run(metrics),
        leads=leads(baseline_comparison),
        glance=describe_run_at_a_glance(
            metrics, metrics_history, split_statistics, {**origins, "mixed": mixed}
        ),
        cards=make_cards(metrics, baseline_comparison),
        mixed=mixed,
        mixed_options=as_cells(pd.DataFrame(origins["options"])),
        examples=describe_examples(shown, items),
        warning=_warn(metrics),
        remarks=_find_remarks(data_quality),
        results=as_cells(_with_intervals(metrics_by_cutoff(metrics))),
        meanings=_explain(metrics_by_cutoff(metrics)),
        source=published.source,
        published=as_cells(_in_percent(compare_with_published(metrics, published))),
        breakdowns=as_cells(_with_intervals(breakdowns)),
        **_describe_baselines(baseline_comparison),
        coverage=_describe_coverage(metrics),
        measured=_describe_measurement(metrics),
        trained=_describe_training(metrics),
        resources=as_cells(_resources(metrics)),
        versions=as_cells(compare_versions(metrics, metrics_history)),
        statistics=as_cells(_shorten_dates(split_statistics)),
        quality=as_cells(data_quality.drop(columns="made_of", errors="ignore")),
        figures={name: as_html(figure) for name, figure in figures.items()},
        differing=_differing(options),
        parameters=yaml.safe_dump(options, sort_keys=False, default_flow_style=None),
    )


def _made_with(metrics: dict[str, Any], origins: dict[str, Any]) -> dict[str, Any]:
    """Sections by which parts, model and metrics were made, as far as they noted them."""
    noted = (metrics.get("training_origin") or {}).get("options", {})
    of_model = {name: noted[name] for name in ("training", "experiment") if name in noted}
    of_metrics = (metrics.get("origin") or {}).get("options", {})
    parts = origins.get("parts") or {}
    of_parts = parts.get("options", {})
    if parts.get("log") and not of_parts:
        # prepared elsewhere: what this run says of them has no effect
        of_parts = dict.fromkeys(OF_DATA, "unknown: the parts were prepared elsewhere")
    return {**of_model, **of_metrics, **of_parts, "model": metrics["model"]}


def _explain(results: pd.DataFrame) -> dict[str, str]:
    """What each metric of the results is, by label."""
    return {f"{METRICS[name].label}@k": METRICS[name].meaning for name in metrics_in(results)}


def _describe_baselines(comparison: pd.DataFrame) -> dict[str, Any]:
    """What the page says of baselines: two tables of all cutoffs, and who is missing."""
    compared = comparison[comparison["k"].notna()].sort_values("k", ascending=False, kind="stable")
    corrected = [f"{name}_p_holm" for name in metrics_in(comparison)]
    missing = comparison.loc[comparison["k"].isna(), "model"]
    return {
        "beside": as_cells(_set_beside(compared), by="k"),
        "ahead": as_cells(_say_how_far_ahead(compared), by="k"),
        "n_questions": int(compared.reindex(columns=corrected).notna().to_numpy().sum()),
        "not_compared": ", ".join(missing),
    }


def _set_beside(compared: pd.DataFrame) -> pd.DataFrame:
    names = [f"{name}{bound}" for name in metrics_in(compared) for bound in ("", "_low", "_high")]
    resources = {"fit_seconds": "{:,.1f}", "evaluation_seconds": "{:,.1f}"}
    measured = _with_intervals(compared[["model", "k", *names]])
    for name, pattern in {**resources, "peak_memory_mb": "{:,.0f}"}.items():
        measured[name.replace("_mb", ", MB")] = compared[name].map(pattern.format)
    return measured


def _say_how_far_ahead(compared: pd.DataFrame) -> pd.DataFrame:
    of_baselines = compared[compared["model"] != MODEL]
    ahead = of_baselines[["model", "k"]].copy()
    for name in metrics_in(compared):
        label = METRICS[name].label
        ahead[f"{label}, ahead"] = of_baselines[f"{name}_ahead"].map("{:+.4f}".format)
        bounds = [of_baselines[f"{name}_ahead_{bound}"] for bound in ("low", "high")]
        ahead[f"{label}, 95 %"] = [
            "" if math.isnan(low) else f"{low:+.4f} to {high:+.4f}"
            for low, high in zip(*bounds, strict=True)
        ]
        p = of_baselines[f"{name}_p_holm"]
        ahead[f"{label}, p"] = p.map("{:.3f}".format, na_action="ignore")
    return ahead


def _warn(metrics: dict[str, Any]) -> str:
    if metrics["tie_effect"] <= MANY_TIES:
        return ""
    return (
        f"Many ties: recall differs by up to {metrics['tie_effect']:.4f} with how they count. The "
        "scores may be saturated; a lower learning rate, or bpr-max with elu_param 0, helps."
    )


def _find_remarks(quality: pd.DataFrame) -> list[str]:
    """What is said of events that share their time, and of sessions that last for days."""
    steps = quality["step"] if "step" in quality else pd.Series(dtype=str)
    found = steps[steps.str.startswith(_REMARKS) & ~steps.str.endswith("none")]
    return [step[0].upper() + step[1:] for step in found]


def _describe_coverage(metrics: dict[str, Any]) -> str:
    sampled = metrics["coverage_events"]
    which = "a random sample of " if sampled < metrics["targets"] else ""
    return (
        f"Among the {K} best items after each of {which}{sampled:,} events of "
        f"{metrics['evaluated_on']}, {metrics[f'coverage@{K}']:.1%} of the "
        f"{metrics['items']:,} items occur at least once."
    )


def _describe_measurement(metrics: dict[str, Any]) -> dict[str, str]:
    events = metrics.get("evaluated_events")
    return {
        "Part": f"{metrics['evaluated_on']}: {metrics['events']:,} events"
        + (f" (fingerprint {events})" if events else ""),
        "Targets": f"{metrics['targets']:,} in {metrics['sessions']:,} sessions: "
        + _TARGETS[metrics.get("ranked_targets", "all")],
        "Ranked against": _describe_candidates(metrics),
        "Unknown to the model": f"{metrics['unknown_items']:,} items with "
        f"{metrics['unknown_events']:,} events, left out",
        "Ties": _describe_ties(metrics),
        "Intervals": "95 %, by a bootstrap over sessions",
    }


def _describe_candidates(metrics: dict[str, Any]) -> str:
    if not metrics.get("exclude_seen"):
        return f"all {metrics['items']:,} items of the model"
    return (
        f"the {metrics['items']:,} items of the model less those that the session had before; "
        f"{metrics['seen_targets']:,} targets on such items are left out"
    )


def _describe_ties(metrics: dict[str, Any]) -> str:
    if not metrics["tied_targets"]:
        return "none"
    return (
        f"{metrics['tied_targets']:,} targets have the score of another item, of up to "
        f"{metrics['most_ties']:,}; counted in {metrics['tie_mode']} mode. Between counting all "
        f"for and all against the model, recall differs by up to {metrics['tie_effect']:.4f}"
    )


def _describe_training(metrics: dict[str, Any]) -> dict[str, str]:
    part, n_events = metrics["trained_on"], metrics["training_events"]
    if part is None:
        return {"Part": "unknown: the model file is older than the notes about it"}
    last = metrics.get("best_epoch", metrics["epochs"])
    facts = {
        "Part": f"{part}: {n_events:,} events in {metrics['training_sessions']:,} sessions",
        "Continued from": metrics.get("continued_from"),
        "Items": f"{metrics['items']:,}",
        "Period": _period(metrics),
        "Trained": as_date(str(metrics["trained_at"] or "")),
        "Loss": f"{metrics['training_loss']:.4f} in epoch {last}",
        "Code": metrics["training_code"],
    }
    return {name: fact for name, fact in facts.items() if fact}


def _period(metrics: dict[str, Any]) -> str:
    first, last = metrics.get("training_first_date"), metrics.get("training_last_date")
    return f"{as_date(first)} to {as_date(last)}" if first and last else ""


def _resources(metrics: dict[str, Any]) -> pd.DataFrame:
    """Time, speed and the most memory of the process until then."""
    training = metrics["training_seconds"], metrics["training_events_per_second"]
    seconds = metrics["evaluation_seconds"]
    evaluation = seconds, metrics["targets"] / max(seconds, 1e-9)
    peaks = metrics["training_peak_memory_mb"], metrics["peak_memory_mb"]
    return pd.DataFrame(
        [
            (step, f"{seconds:,.1f}", f"{speed:,.0f}", f"{peak:,.0f}" if peak else "")
            for step, (seconds, speed), peak in zip(
                ("training", "evaluation"), (training, evaluation), peaks, strict=True
            )
        ],
        columns=["step", "seconds", "events/s", "peak memory, MB"],
    )


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """Puts the two bounds of an interval into one column, and labels of metrics above them."""
    shown = table.copy()
    measured = {name: METRICS[name].label for name in metrics_in(shown)}
    for name, label in measured.items():
        low, high = shown.pop(f"{name}_low"), shown.pop(f"{name}_high")
        bounds = [
            "" if math.isnan(a) else f"{a:.4f} – {b:.4f}" for a, b in zip(low, high, strict=True)
        ]
        shown.insert(list(shown).index(name) + 1, f"{label}, 95 %", bounds)
    return shown.rename(columns=measured)


def _in_percent(table: pd.DataFrame) -> pd.DataFrame:
    shown = table["difference"].map("{:+.1%}".format, na_action="ignore")
    return table.assign(metric=table["metric"].map(_labelled), difference=shown)


def _labelled(metric: str) -> str:
    """`mrr@20`, as files have it, for readers."""
    name, at, k = metric.partition("@")
    return f"{METRICS[name].label}{at}{k}"


def _shorten_dates(statistics: pd.DataFrame) -> pd.DataFrame:
    """Leaves out what the dates say already; there are none where times are no clock."""
    shown = statistics.drop(columns=["first_time", "last_time"], errors="ignore")
    dates = shown.columns.intersection(["first_date", "last_date"])
    if shown[dates].isna().all(axis=None):
        return shown.drop(columns=dates)
    for name in dates:
        shown[name] = shown[name].map(as_date, na_action="ignore").str.removesuffix(" UTC")
    return shown.rename(columns={"first_date": "first (UTC)", "last_date": "last (UTC)"})


def _plain(value: Any) -> Any:
    """Turns validated sections back into mappings that YAML can show."""
    if hasattr(value, "model_dump"):
        return value.model_dump()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value


def _differing(options: dict[str, Any]) -> dict[str, str]:
    """Values that are not the defaults of the library, by section and name."""
    found: dict[str, str] = {}
    for section, values in options.items():
        field = Parameters.model_fields.get(section)
        kind = field.annotation if field else None
        if section in _NOT_OF_THIS_PAGE or not isinstance(values, dict):
            continue
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= _changes(section, values, kind().model_dump())
    return found


def _changes(name: str, values: dict[str, Any], defaults: dict[str, Any]) -> dict[str, str]:
    """What is in some values and not in the defaults, by name; of mappings, value by value."""
    found: dict[str, str] = {}
    for key, value in values.items():
        default = defaults.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            found |= _changes(f"{name}.{key}", value, default)
        elif value != default:
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            found[f"{name}.{key}"] = shown
    return found
