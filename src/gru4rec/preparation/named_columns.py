"""Which columns of a raw log are read, by the names that a user gives."""

from collections.abc import Collection

from gru4rec.columns import ITEM, PLACE, SESSION, TIME
from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.preparation.dates import DateColumn
from gru4rec.preparation.identifiers import IdColumn
from gru4rec.preparation.missing import words_that_are_no_numbers
from gru4rec.preparation.ordering import ORDER, OrderColumn
from gru4rec.preparation.raw_columns import RawColumn
from gru4rec.preparation.timestamps import TimeColumn


def name_columns(data: DataConfig, loading: LoadingConfig) -> list[RawColumn]:
    """Names the columns of a raw log that must have a value in every row."""
    words, no_numbers = loading.missing, words_that_are_no_numbers(loading.missing)
    columns: list[RawColumn] = [IdColumn(ITEM, data.item_key, words)]
    if data.session_key is not None:
        columns.insert(0, IdColumn(SESSION, data.session_key, words))
    if loading.date_key is None:
        columns.append(TimeColumn(TIME, data.time_key, words, loading))
    else:
        date = DateColumn.of(loading)
        columns += [date, TimeColumn(TIME, data.time_key, no_numbers, loading, date)]
    if loading.order_key is not None:
        columns.append(OrderColumn(ORDER, loading.order_key, no_numbers))
    return columns


def used_names(data: DataConfig, loading: LoadingConfig) -> list[str]:
    """The user's names of all columns that are used."""
    further = [] if loading.event_key is None else [loading.event_key]
    return [*(column.key for column in name_columns(data, loading)), *further]


def use_own_place(present: Collection[str], loading: LoadingConfig) -> LoadingConfig:
    """Takes the order of a log that was written by this library, as the names of columns tell."""
    if loading.order_key is not None or PLACE not in present:
        return loading
    return loading.model_copy(update={"order_key": PLACE})
