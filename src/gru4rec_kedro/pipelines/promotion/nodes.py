"""Puts a model into service, if it is not worse; the work is done by `gru4rec`."""

import logging
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import (
    DataError,
    EvaluationConfig,
    GRU4Rec,
    LoadingConfig,
    RankedEvents,
    columns,
)
from gru4rec.addresses import Location, exists
from gru4rec.evaluation import METRICS, check_metric, compare, mean_metrics, of_ranks, rank_shared
from gru4rec.files import make_folders
from gru4rec_kedro.options.parameters import PromotionConfig
from gru4rec_kedro.pipelines.promotion import drift
from gru4rec_kedro.reading import (
    DAY,
    FEWEST_SESSIONS,
    count_testable,
    read_part,
    refuse_ordinal,
)

logger = logging.getLogger(__name__)

_COLUMNS = ["what", "in_service", "model", "between", "newest"]


def compare_with_service(
    model: GRU4Rec,
    service: Location,
    test: ir.Table,
    evaluation: EvaluationConfig,
    promotion: PromotionConfig,
    loading: LoadingConfig,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Compares a new model with the one in service, on the newest days of the test part.

    Both are asked for the same targets: those on items that one of them knows at least. What a
    model does not know counts as missed, see `gru4rec.evaluation.rank_shared`.

    Args:
        model: The new one.
        service: File of the model in service; there need not be one.
        test: The part.
        evaluation: How to measure.
        promotion: By what to decide.
        loading: How the log was read: whether there are days.

    Returns:
        A row each: `what`, its value of the model `in_service` and of the new `model`, `between`
        the two, and of the `newest` days, with NaN where there is none; and the verdict: whether
        to `promote`, why (`reason`), the difference with its interval and p-value, and which
        models it is about.

    Raises:
        ConfigError: Days are asked for of times that only order the events.
        DataError: The part is empty, or the model in service has ids of another kind.
        ModelFileError: The model in service cannot be read.
    """
    if promotion.days is not None:
        refuse_ordinal(loading, "promotion.days")
    part = _keep_newest(read_part({"test": test}, "test"), promotion.days)
    old = GRU4Rec.load(service, model.device) if exists(service) else None
    if old is not None:
        _refuse_other_ids(model, old, service)
    verdict: dict[str, Any] = {
        "promote": old is None,
        "reason": "Promoted: no model was in service",
        "metric": promotion.metric,
        "tolerance": promotion.tolerance,
        "events": len(part),
        "sessions": int(part[columns.SESSION].nunique()),
        "model": model.digest,
        "trained_at": model.notes.get("trained_at"),
        "in_service": old.digest if old else None,
        "in_service_trained_at": old.notes.get("trained_at") if old else None,
    }
    name, k = check_metric(promotion.metric, "promotion.metric")
    rows = _describe(model, old, part, k)
    if old is not None:
        names = of_ranks(dict.fromkeys([*evaluation.metrics, name]))
        items = pd.unique(np.concatenate([model.vocabulary.ids, old.vocabulary.ids]))
        verdict["sessions"] = count_testable(part, items)
        ahead = None
        if verdict["sessions"]:
            measured, ahead = _measure(model, old, part, items, evaluation, names, k)
            rows += measured
        verdict |= _decide(verdict, ahead, promotion)
    is_fine = verdict["promote"] or verdict["model"] == verdict["in_service"]
    logger.log(logging.INFO if is_fine else logging.WARNING, "%s", verdict["reason"])
    return pd.DataFrame(rows).reindex(columns=_COLUMNS), verdict


def promote_model(model: GRU4Rec, service: Location, verdict: dict[str, Any]) -> None:
    """Writes the new model over the one in service, whole or not at all, if the verdict says so.

    Raises:
        DataError: The verdict is about another model, or about another one in service.
        ModelFileError: The file cannot be written.
    """
    if verdict["model"] != model.digest:
        raise DataError(
            f"the verdict is about another model ({verdict['model']}, trained at "
            f"{verdict['trained_at']}) than the newest ({model.digest}, trained at "
            f"{model.notes.get('trained_at')}); run the whole pipeline: kedro run --pipelines "
            "promotion"
        )
    if verdict["promote"]:
        now = GRU4Rec.load(service, "cpu").digest if exists(service) else None
        if now != verdict["in_service"]:
            raise DataError(
                f"the verdict is about another model in service ({verdict['in_service']}) than "
                f"{service} holds now ({now}); run the whole pipeline: kedro run --pipelines "
                "promotion"
            )
        make_folders(service.parent)
        model.save(service)


def _keep_newest(part: pd.DataFrame, days: float | None) -> pd.DataFrame:
    if days is None:
        return part
    starts = part.groupby(columns.SESSION)[columns.TIME].transform("min")
    newest: pd.DataFrame = part[starts > starts.max() - days * DAY]
    return newest


def _refuse_other_ids(model: GRU4Rec, old: GRU4Rec, service: Location) -> None:
    try:
        old.vocabulary.encode(model.vocabulary.ids[:1])
    except DataError as error:
        raise DataError(
            f"the model in service, {service}, cannot be compared with the new one: {error}, or "
            "move the file away, and the new model takes its place"
        ) from None


def _describe(
    model: GRU4Rec, old: GRU4Rec | None, part: pd.DataFrame, k: int
) -> list[dict[str, Any]]:
    """What both have learnt from, and what happens now."""
    now = part[columns.ITEM].value_counts()
    models = {"model": model} | ({"in_service": old} if old else {})
    counts = {name: drift.item_counts(of) for name, of in models.items()}
    shift = {name: drift.divergence(of, now) for name, of in counts.items()}
    lengths = {name: drift.training_session_length(of) for name, of in models.items()}
    rows: list[dict[str, Any]] = [
        {"what": "items", "newest": len(now), **{n: len(of) for n, of in counts.items()}},
        {"what": "events", "newest": len(part), **{n: of.sum() for n, of in counts.items()}},
        {"what": "session length", "newest": drift.session_length(part), **lengths},
        {
            "what": "events on unknown items",
            **{name: drift.unknown_share(of, part) for name, of in models.items()},
        },
        {"what": "shift of items from the newest", **shift},
    ]
    if old:
        between = drift.divergence(counts["model"], counts["in_service"])
        rows[-1] |= {"between": between}
        shared = drift.overlap(model, old, part, k)
        rows.append({"what": f"overlap of the {k} best", "between": shared})
    return rows


def _measure(
    model: GRU4Rec,
    old: GRU4Rec,
    part: pd.DataFrame,
    items: Any,
    evaluation: EvaluationConfig,
    names: list[str],
    k: int,
) -> tuple[list[dict[str, Any]], "pd.Series[Any]"]:
    """Metrics of both as rows of the table, and how far the new one is ahead."""

    def rank(of: GRU4Rec) -> RankedEvents:
        return rank_shared(of, part, items, evaluation.batch_size, evaluation.mode)

    ranked = {"model": rank(model), "in_service": rank(old)}
    new, other = ranked["model"], ranked["in_service"]
    ahead = compare(new.sessions, new.ranks, other.ranks, k, metrics=names).iloc[0]
    values = {name: mean_metrics(of.ranks, [k], names) for name, of in ranked.items()}
    rows = [
        {
            "what": f"{METRICS[name].label}@{k}",
            **{of: values[of][name][k] for of in ranked},
            "between": ahead[f"{name}_ahead"],
        }
        for name in names
    ]
    return rows, ahead


def _decide(
    verdict: dict[str, Any], ahead: "pd.Series[Any] | None", promotion: PromotionConfig
) -> dict[str, Any]:
    """Whether the interval rules out that the new model is worse by more than the tolerance.

    Args:
        verdict: What the models are, and how many sessions were compared.
        ahead: How far the new model is ahead; None where no session could be compared.
        promotion: By what to decide.
    """
    if verdict["model"] == verdict["in_service"]:
        return {"promote": False, "reason": "Not moved: this very model is in service already"}
    name, k = check_metric(promotion.metric, "promotion.metric")
    found: dict[str, Any] = {}
    if ahead is not None:
        bounds = {"ahead": "_ahead", "low": "_ahead_low", "high": "_ahead_high", "p": "_p"}
        found = {what: float(ahead[f"{name}{column}"]) for what, column in bounds.items()}
    if ahead is None or verdict["sessions"] < FEWEST_SESSIONS:
        reason = (
            f"Not promoted: {verdict['sessions']} sessions tell nothing, at least "
            f"{FEWEST_SESSIONS} with two events on items that one of the models knows are needed; "
            "set promotion.days higher, or to null for all of test"
        )
        return found | {"promote": False, "reason": reason}
    promote, why = _weigh(found["low"], found["high"], promotion.tolerance)
    said = (
        f"{METRICS[name].label}@{k} {found['ahead']:+.4f} ({found['low']:+.4f} to "
        f"{found['high']:+.4f}, p {found['p']:.3f}) on {verdict['sessions']:,} sessions"
    )
    more = "" if promote or found["high"] < 0 else "; more sessions (promotion.days) would tell"
    return found | {"promote": promote, "reason": f"{why}{said}{more}"}


def _weigh(low: float, high: float, tolerance: float) -> tuple[bool, str]:
    """Decides by an interval; returns the beginning of the reason, too."""
    tolerated = f"worse by more than the tolerance, {tolerance:g}: "
    if low > 0:
        return True, "Promoted: it is better, "
    if low >= -tolerance:
        return True, f"Promoted: it is not {tolerated}"
    if high < 0:
        return False, "Not promoted: it is worse, "
    return False, f"Not promoted: it may be {tolerated}"
