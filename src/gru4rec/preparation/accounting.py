"""What was dropped on the way from a raw log to its parts, and why; it adds up."""

from collections.abc import Iterable, Mapping
from typing import Any

import ibis.expr.types as ir
import pandas as pd

from gru4rec.columns import ITEM, SESSION
from gru4rec.config import DataConfig, DataSplitConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation.queries import fetch_row
from gru4rec.preparation.raw_log import RawLog
from gru4rec.preparation.session_spans import find_long_sessions
from gru4rec.preparation.splitting import Split, split_sessions

Counts = Mapping[str, int]

_COUNTED = ("events", "sessions", "items")
_REASONS = {"repeats": "repeats", "sessions": "short sessions", "items": "rare items"}


def count_log(log: ir.Table, data: DataConfig, loading: LoadingConfig) -> pd.DataFrame:
    """Counts what is in a raw log before rows are dropped, events picked and sessions cut.

    Returns:
        `step`, `events`, `sessions` and `items`: a row `log`, a row without `missing values` where
        they are dropped, then a row of the events that `event_types` keeps, where it is set. No
        rows where loading keeps the log as it is.
    """
    if loading.event_key is None and loading.session_gap is None and not loading.drop_missing:
        return pd.DataFrame(columns=["step", *_COUNTED])
    rows = RawLog(log, data, loading).rows_as_written()
    stages = {"log": rows}
    if loading.drop_missing:
        stages["missing values"] = rows = rows.filter(~rows["lacks_value"])
    if loading.event_key is not None:
        stages["other event types"] = rows.filter(rows["kept"])
    return pd.DataFrame([{"step": step} | _count(stage) for step, stage in stages.items()])


def account_for_events(
    log_counts: pd.DataFrame,
    filter_report: pd.DataFrame,
    filtered: ir.Table,
    parts: Split[ir.Table],
    options: DataSplitConfig,
    loading: LoadingConfig,
) -> pd.DataFrame:
    """Accounts for every event, session and item between the raw log and the parts.

    Args:
        log_counts: Of `count_log`. A row that has no counts, such as what `load_and_describe` says,
            is a remark on the loaded events: a step that removes nothing.
        filter_report: Of `filter_sessions`.
        filtered: The events that it left.
        parts: What `split_sessions` made of them.
        options: How it split them.
        loading: How the log was read.

    Returns:
        A row a step: `step`, then `events`, `sessions` and `items`, each `_removed` by the step
        and `_left` after it, so that `_left` less the next `_removed` is the next `_left`. The
        last `_left` are those of train, valid and test together. Cutting sessions at gaps makes
        more of them: it removes a negative number.

    Raises:
        DataError: The counts and the report are of different logs.
    """
    is_remark = log_counts["events"].isna()
    stages: list[tuple[str, Counts]] = [
        (row["step"], {name: int(row[name]) for name in _COUNTED})
        for row in log_counts[~is_remark].to_dict(orient="records")
    ]
    first = filter_report.iloc[0]
    loaded = {name: first[f"{name}_left"] + first[f"{name}_removed"] for name in _COUNTED}
    if stages and stages[-1][1]["events"] != loaded["events"]:  # cutting at gaps leaves them all
        raise DataError(
            f"the log was counted with {stages[-1][1]['events']:,} events, and filtered with "
            f"{loaded['events']:,}: these are different logs. Prepare the log again from its first "
            "step, load_log"
        )
    if not stages:
        stages.append(("log", loaded))
    elif stages[-1][1] != loaded:
        stages.append(("cut at gaps", loaded))
    stages += [(remark, loaded) for remark in log_counts["step"][is_remark]]
    for row in filter_report.to_dict(orient="records"):
        round_ = f", round {row['round']}" if row["round"] else ""
        left = {name: row[f"{name}_left"] for name in _COUNTED}
        stages.append((_REASONS[row["step"]] + round_, left))
    if told := find_long_sessions(filtered, loading):
        stages.append((told, stages[-1][1]))
    stages += _stages_of_split(filtered, parts, options)
    return _as_table(stages)


def _stages_of_split(
    filtered: ir.Table, parts: Split[ir.Table], options: DataSplitConfig
) -> Iterable[tuple[str, Counts]]:
    """What is left after each boundary, and after unknown items went from the part behind it."""
    known = options.known_items_only
    uncut = (
        split_sessions(filtered, options.model_copy(update={"known_items_only": False}))
        if known
        else parts
    )
    yield "cut at the test boundary", _count_parts(parts.train_full, uncut.test)
    if known:
        yield "unknown to train_full", _count_parts(parts.train_full, parts.test)
    yield "cut at the validation boundary", _count_parts(parts.train, uncut.valid, parts.test)
    if known:
        yield "unknown to train", _count_parts(parts.train, parts.valid, parts.test)


def _count(table: ir.Table) -> dict[str, int]:
    sessions, items = table[SESSION].nunique(), table[ITEM].nunique()
    return fetch_row(table.aggregate(events=table.count(), sessions=sessions, items=items))


def _count_parts(*parts: ir.Table) -> dict[str, int]:
    counts = [_count(part) for part in parts]
    # small, and perhaps on different connections
    items = pd.concat([part.select(ITEM).distinct().to_pyarrow().to_pandas() for part in parts])
    return {
        # no session is in two parts
        **{name: sum(count[name] for count in counts) for name in ("events", "sessions")},
        "items": items[ITEM].nunique(),
    }


def _as_table(stages: list[tuple[str, Counts]]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    before = stages[0][1]
    for step, left in stages:
        rows.append(
            {"step": step}
            | {f"{name}_removed": before[name] - left[name] for name in _COUNTED}
            | {f"{name}_left": left[name] for name in _COUNTED}
        )
        before = left
    return pd.DataFrame(rows)
