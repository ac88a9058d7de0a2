"""GRU4Rec: session-based recommendation with recurrent neural networks.

Data preparation comes with Ibis and baselines with SciPy, which take a while to import; their names
are loaded on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gru4rec import columns, evaluation, forking
from gru4rec.config import (
    CommonSections,
    Config,
    DataConfig,
    DataSplitConfig,
    EvaluationConfig,
    LoadingConfig,
    ModelConfig,
    PathsConfig,
    Section,
    SessionFilterConfig,
    TrainingConfig,
    load_config,
    resolve_device,
)
from gru4rec.errors import (
    ConfigError,
    DatabricksError,
    DataError,
    GRU4RecError,
    MissingExtraError,
    MissingLogError,
    ModelFileError,
    NotFittedError,
    OutOfMemoryError,
    TrainingDivergedError,
)
from gru4rec.evaluation import (
    NextItemModel,
    RankedEvents,
    batch_eval,
    evaluate,
    rank_events,
    summarise,
)
from gru4rec.evaluation.intervals import confidence_intervals, paired_differences
from gru4rec.files import check_local, make_folders, written_whole
from gru4rec.recommender import GRU4Rec, build_model, load_model, save_model
from gru4rec.serving.live import LiveSession
from gru4rec.serving.shortlist import Shortlist
from gru4rec.storage.description import describe_model

if TYPE_CHECKING:
    from gru4rec import baselines
    from gru4rec.preparation import (
        Split,
        account_for_events,
        count_log,
        describe_parts,
        filter_sessions,
        find_damaged,
        load_and_describe,
        load_databricks_table,
        load_events,
        load_items,
        local_connection,
        private_connection,
        read_log,
        split_data,
        split_sessions,
        stream_sessions,
        train_valid_test_split,
    )

__all__ = [
    "CommonSections",
    "Config",
    "ConfigError",
    "DataConfig",
    "DataError",
    "DataSplitConfig",
    "DatabricksError",
    "EvaluationConfig",
    "GRU4Rec",
    "GRU4RecError",
    "LiveSession",
    "LoadingConfig",
    "MissingExtraError",
    "MissingLogError",
    "ModelConfig",
    "ModelFileError",
    "NextItemModel",
    "NotFittedError",
    "OutOfMemoryError",
    "PathsConfig",
    "RankedEvents",
    "Section",
    "SessionFilterConfig",
    "Shortlist",
    "Split",
    "TrainingConfig",
    "TrainingDivergedError",
    "account_for_events",
    "baselines",
    "batch_eval",
    "build_model",
    "check_local",
    "columns",
    "confidence_intervals",
    "count_log",
    "describe_model",
    "describe_parts",
    "evaluate",
    "evaluation",
    "filter_sessions",
    "find_damaged",
    "load_and_describe",
    "load_config",
    "load_databricks_table",
    "load_events",
    "load_items",
    "load_model",
    "local_connection",
    "make_folders",
    "paired_differences",
    "private_connection",
    "rank_events",
    "read_log",
    "resolve_device",
    "save_model",
    "split_data",
    "split_sessions",
    "stream_sessions",
    "summarise",
    "train_valid_test_split",
    "written_whole",
]

forking.keep_children_on_one_thread()


def __getattr__(name: str) -> Any:
    if name == "baselines":
        return import_module("gru4rec.baselines")
    if name in __all__:  # all other names are bound above
        return getattr(import_module("gru4rec.preparation"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
