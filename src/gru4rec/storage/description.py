"""What is in a model file, told without reading its tensors."""

from typing import Any

import torch

from gru4rec.config import ModelConfig
from gru4rec.errors import ModelFileError
from gru4rec.model.build import architecture_of
from gru4rec.model.network import Architecture
from gru4rec.storage.archive import Place, name_of
from gru4rec.storage.model_file import read_content


def describe_model(path: Place) -> dict[str, Any]:
    """Tells what is in a model file; of a large one too it takes milliseconds.

    Args:
        path: The file, or a stream of one.

    Returns:
        Plain values: the number of items and of parameters; the architecture, a line a station;
        the shape of each tensor; the configuration; the history, a record an epoch; the notes.

    Raises:
        ModelFileError: The file is missing, damaged, of another version, or no model of ours.
    """
    content = read_content(path, torch.device("meta"))  # shapes, no numbers
    try:
        config = ModelConfig.model_validate(content["config"])
        tensors = {**content["tables"], **content["dense"]}
        n_items = len(content["item_ids"])
        return {
            "items": n_items,
            "parameters": sum(tensor.numel() for tensor in tensors.values()),
            "architecture": _stations(architecture_of(config), n_items),
            "tensors": {name: list(tensor.shape) for name, tensor in tensors.items()},
            "configuration": config.model_dump(),
            "history": content["history"],
            "notes": content.get("notes", {}),  # older files have none
        }
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{name_of(path)} is damaged: {error}") from None


def _stations(architecture: Architecture, n_items: int) -> list[str]:
    if architecture.gates_per_item:
        kind = "weights of its own into the gates"
    else:
        kind = "shared embedding" if architecture.shared else "input embedding"
    last = architecture.layers[-1]
    return [
        f"item → {kind}, {n_items} × {architecture.input_width}",
        *(f"GRU layer {n}, {units} units" for n, units in enumerate(architecture.layers, 1)),
        f"scores = state · {'shared' if architecture.shared else 'output'} embedding + bias, "
        f"{n_items} × {last}",
    ]
