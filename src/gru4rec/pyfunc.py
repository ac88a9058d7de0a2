"""A model file as an MLflow model of the flavour `python_function`, for `mlflow models serve`.

The MLflow model names this module as its loader and holds the `.pth` file: nothing is pickled, and
loading it runs no code but that of this package. Its requirement is this package, so it is loaded
where that is installed. Needs the extra `mlflow`.
"""

from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gru4rec.errors import MissingExtraError
from gru4rec.recommender import GRU4Rec

_DEFAULTS = {"k": 20, "exclude_seen": False}


class SessionModel:
    """What MLflow calls.

    Args:
        gru: The model.
    """

    def __init__(self, gru: GRU4Rec) -> None:
        self._gru = gru

    def predict(
        self, model_input: pd.DataFrame, params: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Recommends next items for each row.

        Args:
            model_input: Column `items`: the items of each session, oldest first.
            params: `k` and `exclude_seen` of `GRU4Rec.recommend`.

        Returns:
            Columns `items`, the best ones first, and `scores`, lists, with the rows' own index.
        """
        sessions = [list(items) for items in model_input["items"]]
        best = self._gru.recommend(sessions, **{**_DEFAULTS, **(params or {})})
        ends = np.searchsorted(best["session"], np.arange(1, len(sessions)))
        lists = {
            f"{name}s": [part.tolist() for part in np.split(best[name].to_numpy(), ends)]
            for name in ("item", "score")
        }
        return pd.DataFrame(lists, index=model_input.index).head(len(sessions))


def save_pyfunc(model_file: str | Path, folder: str | Path) -> None:
    """Writes an MLflow model, with signature and input example.

    Args:
        model_file: What `GRU4Rec.save` wrote.
        folder: Where the MLflow model goes; there must be nothing yet.

    Raises:
        MissingExtraError: MLflow is not installed.
        ModelFileError: The file is missing, damaged, of another version, or no model of ours.
    """
    try:
        import mlflow.pyfunc  # noqa: PLC0415  (takes seconds, and is an option)
        from mlflow.models import ModelSignature  # noqa: PLC0415
        from mlflow.types import schema  # noqa: PLC0415
    except ImportError as error:
        raise MissingExtraError.of("mlflow", "an MLflow model", error) from None
    vocabulary = GRU4Rec.load(model_file, device="cpu").vocabulary
    kind = schema.DataType.string if vocabulary.holds_text else schema.DataType.long
    items = schema.ColSpec(schema.Array(kind), "items")
    mlflow.pyfunc.save_model(
        path=str(folder),
        loader_module=__name__,
        data_path=str(model_file),
        signature=ModelSignature(
            schema.Schema([items]),
            schema.Schema([items, schema.ColSpec(schema.Array(schema.DataType.float), "scores")]),
            schema.ParamSchema(
                [
                    schema.ParamSpec("k", schema.DataType.long, _DEFAULTS["k"]),
                    schema.ParamSpec("exclude_seen", schema.DataType.boolean, False),
                ]
            ),
        ),
        input_example=pd.DataFrame({"items": [vocabulary.ids[:2].tolist()]}),
        pip_requirements=[f"gru4rec-kedro=={version('gru4rec-kedro')}"],
    )


def _load_pyfunc(path: str) -> SessionModel:
    """MLflow's hook: reads the `.pth` file."""
    return SessionModel(GRU4Rec.load(path))
