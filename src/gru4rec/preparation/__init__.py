"""From a raw log to sessions for training, validation and test.

Everything is written once, in Ibis: on DuckDB inside this process, or wherever a table lives. A
pandas DataFrame goes in and comes out as one.
"""

from gru4rec.frames import require_columns
from gru4rec.preparation.accounting import account_for_events, count_log
from gru4rec.preparation.databricks import load_databricks_table
from gru4rec.preparation.engine.connection import (
    local_connection,
    private_connection,
    say_cannot_spill,
)
from gru4rec.preparation.engine.functions import is_on_spark
from gru4rec.preparation.engine.spark import configure_spark, spark_connection
from gru4rec.preparation.engine.spark_errors import say_of_spark
from gru4rec.preparation.events import order_keys
from gru4rec.preparation.filtering import filter_sessions
from gru4rec.preparation.loading import load_and_describe, load_events, load_items
from gru4rec.preparation.pandas_split import split_data, train_valid_test_split
from gru4rec.preparation.reading import find_damaged, has_log, read_log
from gru4rec.preparation.splitting import Split, split_sessions
from gru4rec.preparation.statistics import describe_parts
from gru4rec.preparation.stores import open_parquet
from gru4rec.preparation.streaming import cut_sessions, stream_sessions

__all__ = [
    "Split",
    "account_for_events",
    "configure_spark",
    "count_log",
    "cut_sessions",
    "describe_parts",
    "filter_sessions",
    "find_damaged",
    "has_log",
    "is_on_spark",
    "load_and_describe",
    "load_databricks_table",
    "load_events",
    "load_items",
    "local_connection",
    "open_parquet",
    "order_keys",
    "private_connection",
    "read_log",
    "require_columns",
    "say_cannot_spill",
    "say_of_spark",
    "spark_connection",
    "split_data",
    "split_sessions",
    "stream_sessions",
    "train_valid_test_split",
]
