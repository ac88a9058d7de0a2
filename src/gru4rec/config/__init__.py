"""Typed configuration: the options, what is allowed in them, and the reading of their file.

A section is also a read-only mapping, so `gru.fit(train, **config["training"])` works.
"""

from gru4rec.config.devices import resolve_device
from gru4rec.config.fields import (
    METRIC,
    Address,
    DropProbability,
    Fraction,
    LocalPath,
    Loss,
    NonNegative,
    PointInTime,
    Positive,
    Size,
    TieMode,
    TimeFormats,
    TimeUnit,
    WhichTargets,
    WritableAddress,
)
from gru4rec.config.mistakes import describe_mistakes
from gru4rec.config.reading import as_config, load_config
from gru4rec.config.safe_yaml import load_yaml
from gru4rec.config.sections import (
    MANY_EQUAL_TIMES,
    MISSING_WORDS,
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
)

__all__ = [
    "MANY_EQUAL_TIMES",
    "METRIC",
    "MISSING_WORDS",
    "Address",
    "CommonSections",
    "Config",
    "DataConfig",
    "DataSplitConfig",
    "DropProbability",
    "EvaluationConfig",
    "Fraction",
    "LoadingConfig",
    "LocalPath",
    "Loss",
    "ModelConfig",
    "NonNegative",
    "PathsConfig",
    "PointInTime",
    "Positive",
    "Section",
    "SessionFilterConfig",
    "Size",
    "TieMode",
    "TimeFormats",
    "TimeUnit",
    "TrainingConfig",
    "WhichTargets",
    "WritableAddress",
    "as_config",
    "describe_mistakes",
    "load_config",
    "load_yaml",
    "resolve_device",
]
