"""Training and evaluation; the work is done by `gru4rec`."""

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from gru4rec import (
    DataError,
    EvaluationConfig,
    GRU4Rec,
    ModelConfig,
    RankedEvents,
    TrainingConfig,
    columns,
)
from gru4rec.addresses import Location
from gru4rec.evaluation import TIE_MODES, of_ranks, summarise
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.pipelines.modelling.coverage import K, count_recommendations
from gru4rec_kedro.reading import read_part, refuse_untestable
from gru4rec_kedro.reporting.measuring import frame_of, measure_ranked, protocol_of, rank_part
from gru4rec_kedro.reporting.origins import Origin, origin_of
from gru4rec_kedro.reporting.provenance import (
    code_version,
    environment,
    fingerprint,
    peak_memory_mb,
)

logger = logging.getLogger(__name__)

MANY_TIES = 0.001  # of recall: a difference that people publish


def train_model(
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    model: ModelConfig,
    training: TrainingConfig,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
    checkpoint: Location | None = None,
    data_origin: Origin | None = None,
) -> tuple[GRU4Rec, pd.DataFrame]:
    """Trains a new model, or an earlier one further, on the part that `experiment.train_on` names.

    With `experiment.refit` the best epoch on `valid` says for how many epochs.

    Returns:
        The model, with notes on what it was trained on, and its history, a row an epoch.

    Raises:
        DataError: The part is empty, its item ids are not of the earlier model's kind, or the part
            that `experiment.evaluate_on` names has nothing that the model could predict.
        KeyboardInterrupt: Ctrl-C was pressed; a log line says how to go on.
        SystemExit: SIGTERM or SIGHUP came; likewise.
    """
    part = read_part({"train_full": train_full, "train": train}, experiment.train_on)
    measured = read_part({"valid": valid}, "valid") if _measures(experiment, training) else None
    events = fingerprint(part)
    origin = origin_of(
        data_origin, experiment.train_on, events, training=training, experiment=experiment
    )
    earlier = experiment.earlier_model
    gru = GRU4Rec.load(earlier, model.device, model) if earlier else GRU4Rec(**model)
    known = np.asarray(part[columns.ITEM].unique())
    if earlier:
        _refuse_other_ids(gru, part, earlier, experiment.train_on)
        known = np.concatenate([known, gru.vocabulary.ids])
    tested = read_part({"test": test, "valid": valid}, experiment.evaluate_on)
    refuse_untestable(tested, experiment.evaluate_on, known, experiment.train_on)
    del tested  # training needs the memory
    search: dict[str, Any] = {}
    with _telling_how_to_go_on():
        if experiment.refit:
            search_file, checkpoint = _two_files(checkpoint, training.resume)
            searched = GRU4Rec(**model).fit(
                read_part({"train": train}, "train"),
                **training,
                valid=measured,
                valid_cutoff=evaluation.cutoff,
                valid_metrics=of_ranks(evaluation.metrics),
                checkpoint=search_file,
            )
            search = _describe_search(searched)
            gru = GRU4Rec(**{**model, "n_epochs": searched.best_epoch})
            measured, training = None, training.model_copy(update={"patience": None})
            del searched
        gru.fit(
            part,
            **training,
            valid=measured,
            valid_cutoff=evaluation.cutoff,
            valid_metrics=of_ranks(evaluation.metrics),
            checkpoint=checkpoint,
        )
    gru.notes |= {
        "continued_from": str(earlier) if earlier else None,
        "trained_on": experiment.train_on,
        "events": len(part),
        "sessions": int(part[columns.SESSION].nunique()),
        **_period_of(part, origin),
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code_version(),
        "peak_memory_mb": peak_memory_mb(),
        "fingerprint": events,
        "origin": json.dumps(origin),
        **search,
    }
    return gru, gru.history


def _period_of(part: pd.DataFrame, origin: Origin) -> dict[str, str]:
    """Dates of the first and the last event; none where the times may be no clock's."""
    if origin["options"].get("loading", {}).get("time_unit", "ordinal") == "ordinal":
        return {}
    times = part[columns.TIME]
    ends = {"first_date": times.min(), "last_date": times.max()}
    return {
        name: datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
        for name, seconds in ends.items()
    }


def _two_files(
    checkpoint: Location | None, resume: bool
) -> tuple[Location | None, Location | None]:
    """Files of the checkpoints of a search, and of the training that comes after it."""
    if checkpoint is None:
        return None, None
    search, after = (checkpoint.with_name(f"{of}_{checkpoint.name}") for of in ("search", "refit"))
    if not resume:
        after.unlink(missing_ok=True)  # of an earlier search
    return search, after


@contextmanager
def _telling_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as end:
        logger.warning(
            "%sto go on, repeat the command, with its --env and --params, with --from-nodes "
            "train_model and training.resume=true in --params",
            f"{end}; " if isinstance(end, KeyboardInterrupt) else "",  # the other was told already
        )
        raise


def _measures(experiment: ExperimentConfig, training: TrainingConfig) -> bool:
    return experiment.valid_each_epoch or training.patience is not None


def _describe_search(searched: GRU4Rec) -> dict[str, Any]:
    """Notes on how the number of epochs was found."""
    logger.info(
        "Epoch %d is the best one on valid; training for as many epochs on train_full",
        searched.best_epoch,
    )
    history = searched.history.to_dict(orient="records")
    return {"search_history": json.dumps(history), "search_epoch": searched.best_epoch}


def _refuse_other_ids(gru: GRU4Rec, part: pd.DataFrame, path: Location, name: str) -> None:
    try:
        gru.vocabulary.encode(part[columns.ITEM].head(1))
    except DataError as error:
        raise DataError(
            f"experiment.continue_from: {path} cannot be trained further on the column "
            f"{columns.ITEM} of the part {name!r}: {error}, or train a new model"
        ) from None


def evaluate_model(
    model: GRU4Rec,
    valid: ir.Table,
    test: ir.Table,
    evaluation: EvaluationConfig,
    experiment: ExperimentConfig,
    data_origin: Origin | None = None,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]:
    """Ranks every next item of the part that `experiment.evaluate_on` names.

    Returns:
        Metrics, as plain values; the rank of each target, a row a target; and how popular each
        item of the model is and how often it is recommended, a row an item.
    """
    part = read_part({"test": test, "valid": valid}, experiment.evaluate_on)
    begun = time.perf_counter()
    ranked = rank_part(model, part, evaluation)
    seconds = time.perf_counter() - begun
    ranks = frame_of(ranked, evaluation)
    events = fingerprint(part)
    items, n_sampled = count_recommendations(model, part, evaluation.exclude_seen)
    metrics = {
        **_by_cutoff(measure_ranked(ranked, evaluation)),
        **_count_ties(ranked, evaluation),
        f"coverage@{K}": float((items["recommended"] > 0).mean()),
        "coverage_events": n_sampled,
        "targets": len(ranked.ranks),
        "seen_targets": ranked.n_seen,
        "sessions": len(pd.unique(ranked.sessions)),
        "events": ranked.n_events,
        "unknown_events": ranked.n_unknown,
        "unknown_items": int((model.vocabulary.encode(part[columns.ITEM].unique()) < 0).sum()),
        "items": len(model.vocabulary),
        "evaluated_on": experiment.evaluate_on,
        "evaluated_events": events,
        "ranks": fingerprint(ranks),
        "origin": origin_of(data_origin, experiment.evaluate_on, events, evaluation=evaluation),
        **protocol_of(evaluation),
        "evaluation_seconds": seconds,
        "peak_memory_mb": peak_memory_mb(),
        "code": code_version(),
        "environment": environment(),
        **_describe_training(model),
    }
    return metrics, ranks, items


def _by_cutoff(measured: pd.DataFrame) -> dict[str, float]:
    """Turns the table of `measure` into values such as `recall@20` and `recall_low@20`."""
    table = measured.set_index("k")
    found = {f"{name}@{k}": value for name in table for k, value in table[name].items()}
    return {name: value for name, value in found.items() if not math.isnan(value)}


def _count_ties(ranked: RankedEvents, evaluation: EvaluationConfig) -> dict[str, float]:
    """How many targets tie, and how much recall depends on how ties count.

    Scores that saturate tie with many others; then recall says more about `mode` than about the
    model.
    """
    best = ranked.ranks - (1 - TIE_MODES[evaluation.mode]) * ranked.ties
    favoured, _ = summarise(best, evaluation.cutoff)
    disfavoured, _ = summarise(best + ranked.ties, evaluation.cutoff)
    effect = max(favoured[k] - disfavoured[k] for k in evaluation.cutoff)
    if effect > MANY_TIES:
        logger.warning(
            "many ties: recall differs by up to %.4f with how they count; the scores may be "
            "saturated (a lower learning_rate, or bpr-max with elu_param 0, helps)",
            effect,
        )
    return {
        "tied_targets": int((ranked.ties > 0).sum()),
        "most_ties": int(ranked.ties.max()),
        "tie_effect": effect,
    }


def _describe_training(model: GRU4Rec) -> dict[str, Any]:
    """What this model was trained on and how; an earlier run may have trained it."""
    history, notes = model.history, model.notes
    return {
        "trained_on": notes.get("trained_on"),
        "continued_from": notes.get("continued_from"),
        "training_events": notes.get("events"),
        "training_sessions": notes.get("sessions"),
        "training_first_date": notes.get("first_date"),
        "training_last_date": notes.get("last_date"),
        "trained_at": notes.get("trained_at"),
        "training_code": notes.get("code"),
        "training_fingerprint": notes.get("fingerprint"),
        "training_origin": json.loads(str(notes.get("origin") or "null")),
        "training_peak_memory_mb": notes.get("peak_memory_mb"),
        "epochs": len(history),
        "best_epoch": model.best_epoch,
        "search_epoch": notes.get("search_epoch"),
        "search_history": json.loads(str(notes.get("search_history") or "[]")),
        "training_loss": float(history.set_index("epoch")["loss"][model.best_epoch]),
        "training_seconds": float(history["seconds"].sum()),
        "training_events_per_second": float(history["events"].sum() / history["seconds"].sum()),
        "history": history.to_dict(orient="records"),
        "model": model.config.model_dump(),
    }
