"""The surface of the package."""

import subprocess
import sys

import pytest

import gru4rec
from gru4rec import errors

NAMES = [
    "Config",
    "ConfigError",
    "DataConfig",
    "DataError",
    "DataSplitConfig",
    "DatabricksError",
    "EvaluationConfig",
    "GRU4Rec",
    "GRU4RecError",
    "LoadingConfig",
    "MissingExtraError",
    "MissingLogError",
    "ModelConfig",
    "ModelFileError",
    "NotFittedError",
    "OutOfMemoryError",
    "RankedEvents",
    "SessionFilterConfig",
    "SparkError",
    "TrainingConfig",
    "TrainingDivergedError",
    "baselines",
    "batch_eval",
    "build_model",
    "columns",
    "confidence_intervals",
    "config",
    "describe_model",
    "errors",
    "evaluate",
    "evaluation",
    "files",
    "filter_sessions",
    "load_config",
    "load_databricks_table",
    "load_events",
    "load_model",
    "paired_differences",
    "preparation",
    "rank_events",
    "read_log",
    "save_model",
    "serving",
    "split_data",
    "split_sessions",
    "train_valid_test_split",
]


def test_exported_names() -> None:
    assert gru4rec.__all__ == dir(gru4rec) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_can_be_imported(name: str) -> None:
    assert getattr(gru4rec, name).__name__.rpartition(".")[2] == name


def test_nothing_else_is_public() -> None:
    submodules = {name.split(".")[1] for name in sys.modules if name.startswith("gru4rec.")}
    public = {name for name in vars(gru4rec) if not name.startswith("_")}

    assert public - set(NAMES) - submodules == {"lazy_loader"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"gru4rec.*GRU5Rec"):
        _ = gru4rec.GRU5Rec


@pytest.mark.parametrize(
    ("code", "too_much"),
    [
        ("import gru4rec, gru4rec_kedro", {"torch", "pandas", "numpy", "kedro"}),
        (
            "from gru4rec import GRU4Rec, batch_eval, load_config",
            {"ibis", "duckdb", "kedro", "gru4rec_kedro", "plotly", "pyspark", "scipy", "numba"},
        ),
    ],
)
def test_importing_is_light(code: str, too_much: set[str]) -> None:
    code += "; import sys; print(*sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) & too_much == set()


def test_every_error_is_a_gru4rec_error() -> None:
    of_ours = [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and value.__module__ == errors.__name__
    ]

    assert {error.__name__ for error in of_ours} <= set(NAMES)
    assert all(issubclass(error, gru4rec.GRU4RecError) for error in of_ours)
