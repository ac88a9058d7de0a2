"""Reads the checkpoint of a training, and makes sure that it is of this one.

A training with equal data, options and model before it takes the same steps, so it may go on where
the checkpoint was written. `training_checkpoints` writes them.
"""

import hashlib
import logging
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from gru4rec.addresses import Location, exists
from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.data.schedule import Schedule
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import ConfigError, DataError, GRU4RecError, ModelFileError
from gru4rec.learning.best_epoch import Best, check_best, keep
from gru4rec.learning.trainer import EpochState, TrainingState
from gru4rec.model.negatives import PopularitySampler, SamplerState
from gru4rec.storage.model_file import Checkpoint, load_checkpoint

logger = logging.getLogger(__name__)

# other values of these make no other training
_FREE = {"n_epochs", "device"}


class Origin(NamedTuple):
    """What a training starts from. With equal origins and options it takes the same steps.

    Attributes:
        data: Stands for items, sessions and the events counted before.
        epochs: Epochs that the model has had before.
        options: Those of `fit` that the numbers depend on.
    """

    data: str
    epochs: int
    options: dict[str, int | float | str]


class Resumed(NamedTuple):
    """A training that goes on.

    Attributes:
        saved: The model as it stood.
        epoch: What the epoch had come to; None between two epochs.
        sampler: Where the sampler stood; None without one.
        best: The best epoch so far, if one is kept.
        place: Where that was, in words.
    """

    saved: Checkpoint
    epoch: EpochState | None
    sampler: SamplerState | None
    best: Best | None
    place: str


def find_origin(
    vocabulary: Vocabulary,
    items: npt.NDArray[np.int64],
    schedule: Schedule,
    before: TrainingState | None,
    options: TrainingConfig,
) -> Origin:
    """Says what a training starts from.

    Args:
        vocabulary: All items.
        items: Item index of each event, shape (n_events,).
        schedule: Plan over these events.
        before: The model's state before the training, if it has one.
        options: Of `fit`.
    """
    digest = hashlib.blake2b(digest_size=16)
    arrays = [items, schedule.positions, schedule.offsets]
    if vocabulary.holds_text:
        digest.update("\0".join(vocabulary.ids).encode(errors="surrogatepass"))
    else:
        arrays.append(vocabulary.ids)
    if before is not None:
        arrays.append(before.counts.numpy())
        # equal data do not make equal weights: one training may have kept an earlier epoch
        weights = (*before.network.dense.values(), before.network.tables["bias"])
        arrays += [weight.cpu().contiguous().numpy() for weight in weights]
    for array in arrays:
        digest.update(array.data)
    epochs = before.epochs if before is not None else 0
    decisive: dict[str, int | float | str] = {
        name: int(options[name]) for name in ("sample_cache_max_size", "compatibility_mode")
    }
    if options.patience is not None:
        decisive |= {name: options[name] for name in ("patience", "metric", "min_delta")}
    if options.learning_rate_decay != 1:
        decisive["learning_rate_decay"] = options.learning_rate_decay
    return Origin(digest.hexdigest(), epochs, decisive)


def find_checkpoint(
    path: Location, origin: Origin, config: ModelConfig, device: torch.device, schedule: Schedule
) -> Resumed | None:
    """Reads the last checkpoint of a training.

    Args:
        path: Its file.
        origin: What the training starts from.
        config: Options of the model.
        device: Where to go on.
        schedule: Plan of an epoch.

    Returns:
        None if there is no checkpoint.

    Raises:
        ConfigError: It was made with other options.
        DataError: It was made on other data, or from another model.
        ModelFileError: It is damaged or no checkpoint.
    """
    if not exists(path):
        logger.info("there is no checkpoint %s: training starts from the beginning", path)
        return None
    saved = load_checkpoint(path, device)
    if saved.fit is None:
        raise ModelFileError(f"{path} is a model, but no checkpoint of a training")
    _check_options(path, saved.config, config)
    try:
        _check_origin(path, saved.fit, origin, device.type)
        epoch = _unpack_epoch(saved.fit["epoch"], saved.config, schedule)
        sampler = _unpack_sampler(saved.fit["sampler"])
        best = _unpack_best(saved.fit.get("best"), saved.state)
    except GRU4RecError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    came_to = saved.state.epochs + (epoch is not None)
    last = origin.epochs + config.n_epochs
    if came_to > last:
        raise ConfigError(
            f"{path} has come to epoch {came_to}, but n_epochs ends the training after "
            f"{last}; raise it, or train without resume"
        )
    place = name_place(saved.state, epoch)
    logger.info("resuming the training as it was %s: %s", place, path)
    return Resumed(saved, epoch, sampler, best, place)


def restore_sampler(
    path: Location, sampler: PopularitySampler, state: SamplerState, generator: torch.Generator
) -> None:
    """Lets a sampler go on where that of a checkpoint stood.

    Args:
        path: The file of the checkpoint.
        sampler: Of the same items and sizes.
        state: Where it stood.
        generator: Of the training, which stays as it is: dropout may have drawn from it since.

    Raises:
        ModelFileError: The checkpoint is damaged.
    """
    now = generator.get_state()
    try:
        sampler.restore(state)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ModelFileError(f"{path} is damaged: {error}") from None
    generator.set_state(now)


def _check_options(path: Location, saved: ModelConfig, wanted: ModelConfig) -> None:
    others = [
        f"{name} is {wanted[name]!r}, there {saved[name]!r}"
        for name in wanted
        if name not in _FREE and saved[name] != wanted[name]
    ]
    if others:
        raise ConfigError(
            f"{path} was made with other options ({'; '.join(others)}); set them as they "
            "were, or train without resume"
        )


def _check_origin(path: Location, fit: dict[str, Any], origin: Origin, device: str) -> None:
    saved = Origin(**fit["origin"])
    were, are = {**saved.options, "device": fit["device"]}, {**origin.options, "device": device}
    for name in {**are, **were}:
        if were.get(name) != are.get(name):
            raise ConfigError(
                f"{path} was made with {name} {were.get(name)}, not {are.get(name)}; set it as it "
                "was, or train without resume"
            )
    if (saved.data, saved.epochs) != (origin.data, origin.epochs):
        raise DataError(
            f"{path} is of a training on other data or of another model; give what it "
            "was made from, or train without resume"
        )


def name_place(state: TrainingState, epoch: EpochState | None) -> str:
    """Says in words where a training stands."""
    if epoch is None:
        return f"after epoch {state.epochs}"
    return f"in epoch {state.epochs + 1} after step {epoch.step}"


def _unpack_epoch(
    packed: dict[str, Any] | None, config: ModelConfig, schedule: Schedule
) -> EpochState | None:
    if packed is None:
        return None
    step, hidden, pending = int(packed["step"]), list(packed["hidden"]), packed["pending"]
    if not 0 < step < schedule.n_steps:
        raise ValueError(f"step {step} of {schedule.n_steps} is said to be done")
    n_lanes = int(schedule.offsets[step] - schedule.offsets[step - 1])
    wanted = [(torch.float32, (n_lanes, units)) for units in config.layers]
    if [(h.dtype, tuple(h.shape)) for h in hidden] != wanted:
        raise ValueError("its hidden states do not fit the layers")
    total, seconds = float(packed["total"]), float(packed["seconds"])
    return EpochState(hidden, step, total, list(pending.unbind()), seconds)


def _unpack_sampler(packed: dict[str, Any] | None) -> SamplerState | None:
    if packed is None:
        return None
    return SamplerState(packed["generator"].cpu(), int(packed["used"]))


def _unpack_best(packed: dict[str, Any] | None, state: TrainingState) -> Best | None:
    if packed is None:
        return None
    best = Best(int(packed["epoch"]), float(packed["value"]), dict(packed["tensors"]))
    check_best(best, state)
    return best


def keep_best(saved: Checkpoint, name: str) -> None:
    """Gives a model that was read from a checkpoint the weights of the best epoch, if one is kept.

    Args:
        saved: Is changed; a training goes on from the last weights, which `find_checkpoint` has.
        name: What the file is called in messages.

    Raises:
        ModelFileError: The file is damaged.
    """
    if not saved.fit or not saved.fit.get("best"):
        return
    try:
        best = _unpack_best(saved.fit["best"], saved.state)
        first = float(saved.fit["origin"]["epochs"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{name} is damaged: {error}") from None
    if best:
        keep(best, saved.state, saved.history, first)
