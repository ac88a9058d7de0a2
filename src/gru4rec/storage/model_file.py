"""The `.pth` format: data, never code.

A file is `torch.save` of a dictionary of plain values and tensors, read with `weights_only`, with
a checksum at its end; see `archive`.
"""

import io
import os
import pickle
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru4rec.addresses import Location, locate, show
from gru4rec.config import ModelConfig
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import ConfigError, DataError, ModelFileError, OutOfMemoryError
from gru4rec.files import written_whole
from gru4rec.learning.trainer import TrainingState
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.memory import why_out_of_memory
from gru4rec.model.network import Network
from gru4rec.model.optimizer import Adagrad
from gru4rec.storage.archive import (
    Place,
    as_file,
    check_archive,
    is_place,
    name_of,
    own_tensors,
    seal,
    write_stream,
)

FORMAT = "gru4rec-kedro"
VERSION = 1

# what each record of the history has at least
_RECORDED = {"epoch", "loss", "events", "seconds", "events_per_second"}

Note = str | int | float | bool | None
# not isinstance: NumPy's numbers pass for Python's, but cannot be read back without running code
_NOTE_TYPES = {str, int, float, bool, type(None)}


@dataclass
class Checkpoint:
    """What a file holds.

    Attributes:
        config: Options of the model.
        vocabulary: Its items.
        state: Weights and counters. Optimiser state is fresh if the file has none.
        history: One record an epoch.
        notes: What the user wants to keep with the model; plain values by name.
        fit: Where a training stands that can be resumed; see `training_checkpoints`.
    """

    config: ModelConfig
    vocabulary: Vocabulary
    state: TrainingState
    history: list[dict[str, float]]
    notes: dict[str, Note]
    fit: dict[str, Any] | None = None


def save_checkpoint(checkpoint: Checkpoint, place: Place, with_optimizer: bool) -> None:
    """Writes a file whole or not at all: under a temporary name first, then renamed or uploaded.

    Raises:
        DataError: A note is not a plain value.
        ModelFileError: The path cannot be written; a file that was there is as it was.
    """
    bad = _first_bad_note(checkpoint.notes)
    if bad:
        raise DataError(f"{bad}; a model keeps text, Python's numbers, booleans and None by name")
    ids = checkpoint.vocabulary.ids
    state = checkpoint.state
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "config": checkpoint.config.model_dump(),
        "item_ids": ids.tolist() if checkpoint.vocabulary.holds_text else torch.tensor(ids),
        "tables": state.network.tables,
        "dense": state.network.dense,
        "counts": state.counts,
        "epochs": state.epochs,
        "last_days": state.last_days,
        "n_retired": state.n_retired,
        "history": checkpoint.history,
        "notes": checkpoint.notes,
        "optimizer": None,
        "fit": checkpoint.fit,
    }
    if with_optimizer:
        content["optimizer"] = {
            "accumulators": state.optimizer.accumulators,
            "velocities": state.optimizer.velocities,
            "generator": state.generator.get_state(),
        }
    if is_place(place):
        _write_file(content, locate(place, ModelFileError))
    else:
        buffer = io.BytesIO()
        torch.save(content, buffer)
        seal(buffer)
        write_stream(buffer, place)


def _write_file(content: dict[str, Any], path: Location) -> None:
    try:
        with written_whole(path) as temporary, temporary.open("x+b") as file:
            torch.save(content, file)
            seal(file)
    except (OSError, RuntimeError) as error:
        # torch hides why a file could not be written, such as a full disk, behind its own error
        hidden = isinstance(error, RuntimeError) and isinstance(error.__context__, OSError)
        reason = error.__context__ if hidden else error
        raise ModelFileError(f"cannot write the model to {show(path)}: {reason}") from None


def load_checkpoint(
    place: Place, device: torch.device, config: ModelConfig | None = None
) -> Checkpoint:
    """Reads a file onto a device, without running code from it.

    Args:
        place: The file, or a stream of one.
        device: Where the tensors go, wherever they were saved from.
        config: Options to go on with instead of the saved ones.

    Raises:
        ConfigError: `config` asks for other sizes than the saved ones.
        ModelFileError: The file is missing, damaged, of another version, or no model of ours.
    """
    content = read_content(place, device)
    try:
        saved = _unpack(content, device, config)
    except ConfigError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ModelFileError(f"{name_of(place)} is damaged: {error}") from None
    return saved


def read_content(place: Place, device: torch.device) -> dict[str, Any]:
    """Reads the dictionary in a file, without running code from it; see `load_checkpoint`."""
    name = name_of(place)
    try:
        with as_file(place) as path:
            return _read_file(path, name, device)
    except FileNotFoundError:
        raise ModelFileError(f"there is no model file {name}; train and save one first") from None


def _read_file(path: Path, name: str, device: torch.device) -> dict[str, Any]:
    try:
        check_archive(path)
        # mapped: a tensor that claims to be larger than the file takes no memory
        place = "meta" if device.type == "meta" else "cpu"
        mapped = torch.load(path, map_location=place, weights_only=True, mmap=True)
        content = own_tensors(mapped, device, os.path.getsize(path))
    except FileNotFoundError:
        raise
    except pickle.UnpicklingError:
        raise ModelFileError(
            f"{name} is no model file of ours, is damaged, or was tampered with: it holds other "
            "than plain data, which could run code and was not loaded"
        ) from None
    except Exception as error:
        lacking = why_out_of_memory(error)
        if lacking:
            raise OutOfMemoryError(
                f"{name} cannot be read: {lacking}; a file without optimizer takes half as much"
            ) from None
        raise ModelFileError(
            f"{name} cannot be read as a model file; it may be damaged or cut off "
            f"({type(error).__name__}: {str(error).splitlines()[0][:200] if str(error) else ''})"
        ) from None
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ModelFileError(f"{name} is no model file of this package")
    if content.get("version") != VERSION:
        raise ModelFileError(
            f"{name} has format version {reprlib.repr(content.get('version'))}, "
            f"this package reads {VERSION}; "
            "load it with the package version that wrote it"
        )
    return content


def _unpack(
    content: dict[str, Any], device: torch.device, config: ModelConfig | None
) -> Checkpoint:
    saved_config = ModelConfig.model_validate(content["config"])
    config = config or saved_config
    ids = content["item_ids"]
    if isinstance(ids, Tensor) and ids.dtype != torch.int64:
        raise ValueError(f"its item ids are {ids.dtype}, not 64-bit integers or text")
    if not isinstance(ids, Tensor) and not all(type(item) is str for item in ids):
        raise ValueError("its item ids are neither 64-bit integers nor text")
    array = ids.cpu().numpy() if isinstance(ids, Tensor) else np.array(ids, dtype=object)
    architecture = architecture_of(config)
    if architecture != architecture_of(saved_config):
        raise ConfigError(
            f"the options ask for {architecture}, but the model was saved with "
            f"{architecture_of(saved_config)}; give the saved sizes or fit a new model"
        )
    table_shapes, dense_shapes = architecture.table_shapes(len(array)), architecture.dense_shapes()
    network = Network(
        architecture,
        _checked(content["tables"], table_shapes),
        _checked(content["dense"], dense_shapes),
    )
    optimizer = make_optimizer(network, config)
    generator = new_generator(config.seed, device)
    if content["optimizer"]:
        _restore(optimizer, generator, content["optimizer"], {**table_shapes, **dense_shapes})
    counts = content["counts"].cpu()
    if counts.shape != (len(array),) or counts.dtype != torch.int64:
        raise ValueError("its item counts do not fit the items")
    history = list(content["history"])
    if not all(set(record) >= _RECORDED for record in history):
        raise ValueError(f"its history lacks one of {', '.join(sorted(_RECORDED))}")
    notes = dict(content.get("notes", {}))  # older files have none
    bad = _first_bad_note(notes)
    if bad:
        raise ValueError(bad)
    last_days = content.get("last_days")  # older files have none
    if last_days is not None:
        last_days = last_days.cpu()
        if last_days.shape != counts.shape or last_days.dtype != torch.int64:
            raise ValueError("its days do not fit the items")
    n_retired = int(content.get("n_retired", 0))
    epochs = int(content["epochs"])
    state = TrainingState(network, optimizer, counts, generator, epochs, last_days, n_retired)
    return Checkpoint(config, Vocabulary(array), state, history, notes, content.get("fit"))


def _first_bad_note(notes: dict[str, Note]) -> str:
    for name, value in notes.items():
        if type(name) is not str or type(value) not in _NOTE_TYPES:
            shown = reprlib.repr(value)
            return f"the note {reprlib.repr(name)} is {shown} of type {type(value).__name__}"
    return ""


def _restore(
    optimizer: Adagrad,
    generator: torch.Generator,
    saved: dict[str, Any],
    shapes: dict[str, tuple[int, ...]],
) -> None:
    optimizer.accumulators = _checked(saved["accumulators"], shapes)
    # without momentum so far there are none: they start from zero
    if optimizer.velocities and saved["velocities"]:
        optimizer.velocities = _checked(saved["velocities"], shapes)
    state = saved["generator"].cpu()
    # a generator of another kind of device has a state of another size: there it starts anew
    if state.shape == generator.get_state().shape:
        generator.set_state(state)


def _checked(tensors: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]) -> dict[str, Tensor]:
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise ValueError(f"its tensors have the shapes {found}, its configuration wants {shapes}")
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32 or not tensor.is_contiguous():
            raise ValueError(f"its tensor {name} is not a plain array of 32-bit floats")
        if not tensor.isfinite().all():
            raise ValueError(f"its tensor {name} holds numbers that are not finite")
    return tensors
