"""The steps of data engineering, on Ibis tables; the work is done by `gru4rec`."""

import ibis.expr.types as ir
import pandas as pd

from gru4rec import (
    DataConfig,
    DataSplitConfig,
    LoadingConfig,
    SessionFilterConfig,
    filter_sessions,
    split_sessions,
)
from gru4rec.preparation import Split, account_for_events, count_log, load_and_describe
from gru4rec_kedro.reporting.origins import Origin, made_of


def load_log(
    raw_log: ir.Table, data: DataConfig, loading: LoadingConfig
) -> tuple[ir.Table, pd.DataFrame]:
    """Picks the columns of the log, turns times to seconds and cuts sessions where asked for.

    Returns:
        Events: SessionId, ItemId, Time (seconds), and PlaceInSession where times are equal; and
        what was in the log, where this leaves some of it out, with how many times are equal.
    """
    events, equal_times = load_and_describe(raw_log, data, loading)
    counts = count_log(raw_log, data, loading)
    return events, pd.concat([counts, pd.DataFrame({"step": [equal_times]})], ignore_index=True)


def filter_log(
    events: ir.Table, session_filter: SessionFilterConfig
) -> tuple[ir.Table, pd.DataFrame]:
    """Drops repeats, short sessions and rare items.

    Returns:
        The events that are left, and what each round removed.
    """
    return filter_sessions(events, session_filter)


def split_log(
    filtered_events: ir.Table, data_split: DataSplitConfig
) -> tuple[ir.Table, ir.Table, ir.Table, ir.Table]:
    """Cuts the log in time.

    Returns:
        train, valid, test, and train_full: everything before the test boundary.
    """
    split = split_sessions(filtered_events, data_split)
    return split.train, split.valid, split.test, split.train_full


def account_for_log(
    log_counts: pd.DataFrame,
    filter_report: pd.DataFrame,
    filtered_events: ir.Table,
    train: ir.Table,
    valid: ir.Table,
    test: ir.Table,
    train_full: ir.Table,
    data_origin: Origin,
    data_split: DataSplitConfig,
    loading: LoadingConfig,
) -> pd.DataFrame:
    """Says what was dropped between the raw log and its parts, and why, a row a step.

    Returns:
        What `account_for_events` returns, and `made_of`: these parts, by which the report knows
        whether it is about those that it shows.
    """
    parts = Split(train, valid, test, train_full)
    account = account_for_events(
        log_counts, filter_report, filtered_events, parts, data_split, loading
    )
    return account.assign(made_of=made_of(data_origin))
