"""The split of a DataFrame whose rows stay as the caller has them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.config import Config, DataConfig, DataSplitConfig, as_config
from gru4rec.errors import ConfigError, DataError
from gru4rec.frames.events import pick_events
from gru4rec.frames.foreign_frames import as_frame
from gru4rec.frames.times import as_times, in_seconds
from gru4rec.preparation.engine.connection import private_connection
from gru4rec.preparation.splitting import split_table

_ROW = "_row"

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def train_valid_test_split(
    data: pd.DataFrame,
    valid_fraction: float = 0.1,
    test_fraction: float = 0.1,
    session_key: str = SESSION,
    item_key: str = ITEM,
    time_key: str = TIME,
) -> Parts:
    """Splits events by time: the newest sessions are for test, those before for validation.

    Sessions that straddle a boundary keep their early events in the earlier part and lose the
    others; sessions that this leaves with one event are dropped (see `split_sessions`).

    Args:
        data: Events in any order. Time is numbers or timestamps.
        valid_fraction: Share of the sessions for validation.
        test_fraction: Share of the sessions for test.
        session_key: Column of session ids.
        item_key: Column of item ids.
        time_key: Column of times.

    Returns:
        Training, validation and test part: rows of `data` with all columns, types and the index,
        in the order that they have there.

    Raises:
        DataError: The data cannot be split, see `split_sessions`.
        ConfigError: The fractions or column names are impossible.
    """
    fractions = {"valid_fraction": valid_fraction, "test_fraction": test_fraction}
    keys = {"session_key": session_key, "item_key": item_key, "time_key": time_key}
    origin = "train_valid_test_split"
    return _split(data, DataConfig.parse(keys, origin), DataSplitConfig.parse(fractions, origin))


def split_data(df: pd.DataFrame, config: Config | Mapping[str, Any]) -> Parts:
    """Splits events as the sections `data` and `data_split` of a configuration say.

    Args:
        df: Events in any order. Time is numbers (of seconds, where the configuration gives days or
            dates) or timestamps.
        config: A configuration, or its sections as a mapping.

    Returns:
        Training, validation and test part, see `train_valid_test_split`.

    Raises:
        DataError: The data cannot be split, see `split_sessions`.
        ConfigError: An option is wrong.
    """
    config = as_config(config)
    return _split(df, config.data, config.data_split)


def _split(df: pd.DataFrame, keys: DataConfig, options: DataSplitConfig) -> Parts:
    df = as_frame(df)
    if keys.session_key is None:
        raise ConfigError(
            "session_key is null, but sessions are split: load_events with session_gap makes them "
            "of one person's events, in columns named SessionId, ItemId and Time"
        )
    columns = pick_events(df, (keys.session_key, keys.item_key, keys.time_key))
    # codes instead of ids and a row number: whatever the caller's columns are, they stay
    table = pa.table(
        {
            SESSION: _as_codes(columns[keys.session_key]),
            ITEM: _as_codes(columns[keys.item_key]),
            TIME: in_seconds(as_times(columns[keys.time_key])),
            _ROW: np.arange(len(df)),
        }
    )
    events = private_connection().create_table("events", table, temp=True)
    parts = split_table(events, options)
    rows = [
        np.sort(part.select(_ROW).to_pyarrow()[_ROW].to_numpy())
        for part in (parts.train, parts.valid, parts.test)
    ]
    return df.iloc[rows[0]], df.iloc[rows[1]], df.iloc[rows[2]]


def _as_codes(ids: "pd.Series[Any]") -> npt.NDArray[np.int64]:
    try:
        return pd.factorize(ids)[0]
    except TypeError as error:
        raise DataError(
            f"The column {ids.name!r} holds values that are no ids ({error}); integers or text are "
            "expected"
        ) from None
