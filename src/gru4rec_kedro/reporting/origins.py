"""What parts, model and metrics were made of, and whether they belong together."""

import json
import logging
from collections.abc import Mapping
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from gru4rec import DataConfig, DataSplitConfig, LoadingConfig, SessionFilterConfig
from gru4rec.config import Section
from gru4rec_kedro.options.parameters import Parameters
from gru4rec_kedro.reporting.provenance import code_version, fingerprint

logger = logging.getLogger(__name__)

Origin = dict[str, Any]

PARTS = ("train", "valid", "test", "train_full")
OF_DATA = ("data", "loading", "session_filter", "data_split")
_WITHOUT_EFFECT = ("batch_size",)  # of the evaluation


def note_origin(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    log_names: dict[str, str],
    data: DataConfig,
    loading: LoadingConfig,
    session_filter: SessionFilterConfig,
    data_split: DataSplitConfig,
) -> Origin:
    """Notes what the parts were made of.

    Returns:
        `log`: its file; `options` by section; `fingerprints` of the parts by name, by which
        parts are known again; and the `code`.
    """
    options = dict(zip(OF_DATA, (data, loading, session_filter, data_split), strict=True))
    return _note((train, valid, test, train_full), log_names["raw_log"], options)


def note_origin_of_prepared(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    log_names: dict[str, str],
) -> Origin:
    """Notes where the parts came from: as `note_origin`, but nobody knows by which options."""
    return _note((train, valid, test, train_full), log_names["prepared_{part}"], {})


def _note(parts: tuple[ir.Table, ...], log: str, options: Mapping[str, Section]) -> Origin:
    return {
        "log": log,
        "options": {name: section.model_dump(mode="json") for name, section in options.items()},
        "fingerprints": {name: fingerprint(part) for name, part in zip(PARTS, parts, strict=True)},
        "code": code_version(),
    }


def origin_of(origin: Origin | None, name: str, events: str, **more: Section) -> Origin:
    """Says what one part was made of.

    Args:
        origin: What `note_origin` noted; of earlier versions of the project there is nothing.
        name: Of the part.
        events: Its fingerprint.
        more: Sections by which something was made of it.

    Returns:
        `log` and `options`; the log is None, and its options are left out, where the note is
        about another part of this name.
    """
    made = {of: section.model_dump(mode="json") for of, section in more.items()}
    if not origin or origin["fingerprints"].get(name) != events:
        return {"log": None, "options": made}
    return {"log": origin["log"], "options": origin["options"] | made}


def made_of(origin: Origin) -> str:
    """Says of which parts something was made; empty text where nobody noted their fingerprints."""
    if not origin:
        return ""
    fingerprints = [origin["fingerprints"][name] for name in PARTS]
    return f"parts {fingerprint(pd.DataFrame([fingerprints]))}"


def events_used(metrics: Mapping[str, Any]) -> str | None:
    """Says which events a model learnt from and was measured on; None where nobody noted it."""
    learnt, measured = metrics.get("training_fingerprint"), metrics.get("evaluated_events")
    if not learnt or not measured:
        return None
    return f"{metrics['trained_on']} {learnt}, {metrics['evaluated_on']} {measured}"


def check_origins(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    data_origin: Origin,
    metrics: dict[str, Any],
    ranked_events: pd.DataFrame,
    example_sessions: dict[str, Any],
    baseline_metrics: pd.DataFrame,
    data_quality: pd.DataFrame,
    parameters: dict[str, Any],
) -> Origin:
    """Finds out whether what the report shows belongs together.

    Returns:
        `mixed`: a sentence for each thing that does not belong to the others; `options`: those that
        differ, and the log, a record each, of the parts, the model, the metrics and this run; `log`
        and `parts`: what the parts were made of, as far as it is known.
    """
    parts = dict(zip(PARTS, (train, valid, test, train_full), strict=True))
    now = {name: fingerprint(part) for name, part in parts.items()}
    learnt, measured = metrics.get("trained_on"), metrics["evaluated_on"]
    of_parts = origin_of(data_origin, measured, now[measured])
    made: dict[str, Origin] = {
        "parts": of_parts,
        "model": metrics.get("training_origin") or {},
        "metrics": metrics.get("origin") or {},
        "this run": {"options": _plain_sections(parameters)},
    }
    mixed = [
        *_say_unnoted(data_origin, now),
        *_say_other("model", "learnt from", learnt, metrics.get("training_fingerprint"), now),
        *_say_other("metrics", "measured on", measured, metrics.get("evaluated_events"), now),
        *_say_stale(metrics, ranked_events, example_sessions, baseline_metrics),
        *_say_other_account(data_quality, now),
    ]
    options = _differing(made)
    if options:
        names = ", ".join(row["option"] for row in options)
        mixed.append(f"Not all was made by the same options: {names} differ")
    if mixed:
        options.insert(0, {"option": "log"} | {of: str(made[of].get("log") or "") for of in made})
    for sentence in mixed:
        logger.warning("%s", sentence)
    return {
        "mixed": mixed,
        "options": options,
        "log": of_parts["log"],
        "parts": made["parts"],
        "checked": {"fingerprints": now, "ranks": metrics.get("ranks")},
    }


def say_unchecked(origins: Origin, data_origin: Origin, metrics: dict[str, Any]) -> list[str]:
    """Says where parts or metrics are others than those that `check_origins` has seen."""
    checked = origins.get("checked")
    if not checked:
        return []
    noted = data_origin.get("fingerprints", checked["fingerprints"])
    if checked["fingerprints"] == noted and checked["ranks"] == metrics.get("ranks"):
        return []
    return ["Parts or metrics were made anew since this was looked at: write all of the report"]


def _say_unnoted(origin: Origin, now: dict[str, str]) -> list[str]:
    if not origin:  # of an earlier version of the project
        return []
    others = [name for name in PARTS if origin["fingerprints"].get(name) != now[name]]
    if not others:
        return []
    return [
        f"{', '.join(others)}: not what data engineering made last (of {origin['log']}), so "
        "nobody knows of which log and by which options"
    ]


def _say_other(
    what: str, did: str, part: str | None, events: str | None, now: dict[str, str]
) -> list[str]:
    if part is None or events is None or events == now[part]:  # or nobody noted it
        return []
    return [f"The {what}: {did} other events than the part {part} has now ({events}, {now[part]})"]


def _say_stale(
    metrics: dict[str, Any],
    ranked_events: pd.DataFrame,
    example_sessions: dict[str, Any],
    baseline_metrics: pd.DataFrame,
) -> list[str]:
    said = []
    ranks = metrics.get("ranks")
    if ranks and ranks != fingerprint(ranked_events):
        said.append(
            "The ranks, groups of targets and lead over baselines: of another evaluation than the "
            "metrics"
        )
    if ranks and example_sessions.get("ranks", ranks) != ranks:
        said.append("The example sessions: of another evaluation than the metrics")
    ours = events_used(metrics)
    if ours and "events_used" in baseline_metrics:
        others = baseline_metrics.loc[baseline_metrics["events_used"] != ours, "model"].unique()
        if len(others):
            said.append(f"The baselines {', '.join(others)}: of other events than the model")
    return said


def _say_other_account(data_quality: pd.DataFrame, now: dict[str, str]) -> list[str]:
    if "made_of" not in data_quality or data_quality["made_of"].isna().all():  # nobody noted it
        return []
    if (data_quality["made_of"] == made_of({"fingerprints": now})).all():
        return []
    return ["What was dropped from the log, and why: of other parts than there are now"]


def _plain_sections(parameters: dict[str, Any]) -> dict[str, Any]:
    """The sections that decide what parts and metrics are, as parts and metrics note them."""
    sections = {}
    for name in (*OF_DATA, "evaluation"):
        given = parameters.get(name, {})
        if not isinstance(given, Section):  # Kedro hands over what the files say
            given = Parameters.model_fields[name].annotation.parse(given, name)  # type: ignore[union-attr]
        sections[name] = given.model_dump(mode="json")
    return sections


def _differing(made: dict[str, Origin]) -> list[dict[str, str]]:
    """Options that are not the same wherever they are noted.

    What this run says of the data has no effect on parts that are there: it is shown beside them
    only. An option that a later version of the project has is not noted by an earlier one.
    """
    rows = []
    options_of = {of: origin.get("options") or {} for of, origin in made.items()}
    for section in (*OF_DATA, "evaluation"):
        there = {of: options[section] for of, options in options_of.items() if section in options}
        for name in dict.fromkeys(name for values in there.values() for name in values):
            if name in _WITHOUT_EFFECT:
                continue
            values = {of: json.dumps(noted[name]) for of, noted in there.items() if name in noted}
            compared = {
                value for of, value in values.items() if of != "this run" or section not in OF_DATA
            }
            if len(compared) > 1:
                rows.append(
                    {"option": f"{section}.{name}"} | {of: values.get(of, "") for of in made}
                )
    return rows
