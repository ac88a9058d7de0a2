"""Checkpoints of a training, from which it goes on as if it had never been ended.

A checkpoint is a model file (see `model_file`), so it can be loaded as a model, too. What it holds
beyond a model stands under `fit`: where the epoch and the sampler are, and from what the training
started.
"""

import contextlib
import hashlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt
import torch

from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.data.schedule import Schedule
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import (
    ConfigError,
    DataError,
    GRU4RecError,
    ModelFileError,
    TrainingDivergedError,
)
from gru4rec.files import make_folders
from gru4rec.learning.trainer import EpochState, TrainingState, check_finite
from gru4rec.model.negatives import PopularitySampler, SamplerState
from gru4rec.storage.model_file import Checkpoint, load_checkpoint, save_checkpoint

logger = logging.getLogger(__name__)

# by the signals that end a training after its step, where nobody has set others; Windows lacks one
_DEFAULT_HANDLERS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    **({signal.SIGHUP: signal.SIG_DFL} if hasattr(signal, "SIGHUP") else {}),
}

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
    options: dict[str, int]


class Resumed(NamedTuple):
    """A training that goes on.

    Attributes:
        saved: The model as it stood.
        epoch: What the epoch had come to; None between two epochs.
        sampler: Where the sampler stood; None without one.
    """

    saved: Checkpoint
    epoch: EpochState | None
    sampler: SamplerState | None


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
    for array in arrays:
        digest.update(array.data)
    epochs = before.epochs if before is not None else 0
    names = ("sample_cache_max_size", "compatibility_mode")
    return Origin(digest.hexdigest(), epochs, {name: int(options[name]) for name in names})


class Checkpoints:
    """Writes the checkpoints of one training.

    Args:
        path: Their file.
        origin: What the training starts from.
        options: When they are due.
    """

    def __init__(self, path: str | Path, origin: Origin, options: TrainingConfig) -> None:
        self._path = Path(path)
        self._origin, self._options = origin, options
        self._last = ""  # which one is in the file, if this training knows
        self._signal = 0  # that ends the training after this step, if one came

    def find(self, config: ModelConfig, device: torch.device, schedule: Schedule) -> Resumed | None:
        """Reads the last checkpoint.

        Args:
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
        if not self._path.exists():
            logger.info("there is no checkpoint %s: training starts from the beginning", self._path)
            return None
        saved = load_checkpoint(self._path, device)
        if saved.fit is None:
            raise ModelFileError(f"{self._path} is a model, but no checkpoint of a training")
        self._check_options(saved.config, config)
        try:
            self._check_origin(Origin(**saved.fit["origin"]), saved.fit["device"], device.type)
            epoch = _unpack_epoch(saved.fit["epoch"], saved.config, schedule)
            sampler = _unpack_sampler(saved.fit["sampler"])
        except GRU4RecError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise ModelFileError(f"{self._path} is damaged: {error}") from None
        came_to = saved.state.epochs + (epoch is not None)
        last = self._origin.epochs + config.n_epochs
        if came_to > last:
            raise ConfigError(
                f"{self._path} has come to epoch {came_to}, but n_epochs ends the training after "
                f"{last}; raise it, or train without resume"
            )
        self._last = _name(saved.state, epoch)
        logger.info("resuming the training as it was %s: %s", self._last, self._path)
        return Resumed(saved, epoch, sampler)

    def start(
        self, model: Checkpoint, sampler: PopularitySampler | None, resumed: Resumed | None
    ) -> None:
        """Takes up what the checkpoints are to be of.

        Args:
            model: Is changed by the training, and read when a checkpoint is due.
            sampler: Likewise; it is set to where it stood.
            resumed: What `find` returned.

        Raises:
            ModelFileError: The checkpoint is damaged.
        """
        self._model, self._sampler = model, sampler
        self._written_at = time.monotonic()
        if sampler and resumed and resumed.sampler:
            generator = model.state.generator
            now = generator.get_state()
            try:
                sampler.restore(resumed.sampler)
            except (TypeError, ValueError, RuntimeError) as error:
                raise ModelFileError(f"{self._path} is damaged: {error}") from None
            # dropout may have drawn from the same generator since
            generator.set_state(now)

    def _check_options(self, saved: ModelConfig, wanted: ModelConfig) -> None:
        others = [
            f"{name} is {wanted[name]!r}, there {saved[name]!r}"
            for name in wanted
            if name not in _FREE and saved[name] != wanted[name]
        ]
        if others:
            raise ConfigError(
                f"{self._path} was made with other options ({'; '.join(others)}); set them as they "
                "were, or train without resume"
            )

    def _check_origin(self, saved: Origin, saved_device: str, device: str) -> None:
        were = {**saved.options, "device": saved_device}
        for name, value in {**self._origin.options, "device": device}.items():
            if were[name] != value:
                raise ConfigError(
                    f"{self._path} was made with {name} {were[name]}, not {value}; set it as it "
                    "was, or train without resume"
                )
        if (saved.data, saved.epochs) != (self._origin.data, self._origin.epochs):
            raise DataError(
                f"{self._path} is of a training on other data or of another model; give what it "
                "was made from, or train without resume"
            )

    def after_step(self, epoch: EpochState) -> None:
        """Writes a checkpoint if one is due, or if a signal ends the training; see `write`."""
        minutes = self._options.checkpoint_minutes
        due = minutes is not None and time.monotonic() - self._written_at >= 60 * minutes
        if due or self._signal:
            self.write(epoch)

    def after_epoch(self, is_last: bool) -> None:
        """Writes a checkpoint if one is due, or if a signal ends the training; see `write`."""
        every = self._options.checkpoint_epochs
        due = every is not None and self._model.state.epochs % every == 0
        if due or is_last or self._signal:
            self.write(None)

    def write(self, epoch: EpochState | None) -> None:
        """Writes a checkpoint, whole or not at all.

        Args:
            epoch: What the epoch has come to; None between epochs.

        Raises:
            KeyboardInterrupt: Ctrl-C was pressed.
            SystemExit: SIGTERM or SIGHUP came; a log line says how to go on.
            ModelFileError: The path cannot be written; the last checkpoint is as it was.
            TrainingDivergedError: The state is not worth keeping.
        """
        state = self._model.state
        if epoch:
            check_finite(state, epoch)
        self._model.fit = {
            "origin": self._origin._asdict(),
            "device": state.network.device.type,
            "sampler": self._sampler.state._asdict() if self._sampler else None,
            "epoch": _pack_epoch(epoch) if epoch else None,
        }
        with contextlib.suppress(OSError):  # save_checkpoint says what is wrong there
            make_folders(self._path.parent)
        save_checkpoint(self._model, self._path, with_optimizer=True)
        self._last = _name(state, epoch)
        self._written_at = time.monotonic()
        if self._signal:
            self._end()

    @contextlib.contextmanager
    def guarding(self) -> Iterator[None]:
        """Ends a training that is interrupted or diverges with the name of its last checkpoint.

        Ctrl-C, SIGTERM and SIGHUP wait for the end of the step, so that the checkpoint then is one
        of a whole step; a second one does not wait. Signals that somebody else handles, or
        ignores, are left to them.
        """
        ours = _default_handlers()
        try:
            for number in ours:
                signal.signal(number, self._note_signal)
            yield
            if self._signal:
                self._end()
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"training was interrupted; {self._where_to_go_on()}") from None
        except TrainingDivergedError as error:
            raise TrainingDivergedError(f"{error}; {self._where_to_go_on()}") from None
        finally:
            for number, handler in ours.items():
                signal.signal(number, handler)

    def _note_signal(self, number: int, _: object) -> None:
        self._signal = number
        signal.signal(number, _DEFAULT_HANDLERS[number])

    def _end(self) -> NoReturn:
        """Ends the training as the signal wants it, after the checkpoint."""
        if self._signal == signal.SIGINT:
            raise KeyboardInterrupt
        name = signal.Signals(self._signal).name
        ended = SystemExit(f"training was ended by {name}; {self._where_to_go_on()}")
        ended.code = 128 + self._signal  # as shells count, and without a traceback
        logger.warning("%s", ended)
        raise ended

    def _where_to_go_on(self) -> str:
        if not self._last:
            return "no checkpoint was written yet"
        return f"the last checkpoint, {self._last}, is {self._path}"


def _default_handlers() -> dict[int, Any]:
    """Returns those of the signals that nobody has set a handler for; none in other threads."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {
        number: default
        for number, default in _DEFAULT_HANDLERS.items()
        if signal.getsignal(number) == default
    }


def _name(state: TrainingState, epoch: EpochState | None) -> str:
    if epoch is None:
        return f"after epoch {state.epochs}"
    return f"in epoch {state.epochs + 1} after step {epoch.step}"


def _pack_epoch(epoch: EpochState) -> dict[str, Any]:
    return {
        "hidden": [hidden.clone() for hidden in epoch.hidden],  # a part would be saved as a whole
        "step": epoch.step,
        "total": epoch.total,
        "pending": torch.tensor([float(loss) for loss in epoch.pending]),
        "seconds": epoch.seconds,
    }


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
