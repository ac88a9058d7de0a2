"""Writes checkpoints of a training, from which it goes on as if it had never been ended.

A checkpoint is a model file (see `model_file`), so it can be loaded as a model, too. What it holds
beyond a model stands under `fit`: where the epoch and the sampler are, and from what the training
started. `resuming` reads them.
"""

import contextlib
import logging
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import torch

from gru4rec.addresses import Location
from gru4rec.config import TrainingConfig
from gru4rec.errors import TrainingDivergedError
from gru4rec.files import make_folders
from gru4rec.learning.best_epoch import BestEpoch
from gru4rec.learning.trainer import EpochState, check_finite
from gru4rec.model.negatives import PopularitySampler
from gru4rec.storage.model_file import Checkpoint, save_checkpoint
from gru4rec.storage.resuming import Origin, Resumed, name_place

logger = logging.getLogger(__name__)

# by the signals that end a training after its step, where nobody has set others; Windows lacks one
_DEFAULT_HANDLERS: dict[int, Any] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    **({signal.SIGHUP: signal.SIG_DFL} if hasattr(signal, "SIGHUP") else {}),
}


class NoCheckpoints:
    """Stands where a training writes no checkpoints, and does nothing."""

    def after_step(self, epoch: EpochState) -> None:
        """See `Checkpoints`."""

    def after_epoch(self, is_last: bool) -> None:
        """See `Checkpoints`."""

    def guarding(self) -> contextlib.AbstractContextManager[None]:
        """See `Checkpoints`."""
        return contextlib.nullcontext()


class Checkpoints(NoCheckpoints):
    """Writes the checkpoints of one training.

    Args:
        path: Their file.
        origin: What the training starts from.
        options: When they are due.
        model: Is changed by the training, and read when a checkpoint is due.
        sampler: Likewise.
        best: Likewise.
        resumed: The checkpoint that it goes on from.
    """

    def __init__(
        self,
        path: Location,
        origin: Origin,
        options: TrainingConfig,
        model: Checkpoint,
        sampler: PopularitySampler | None,
        best: BestEpoch,
        resumed: Resumed | None,
    ) -> None:
        self._path, self._origin, self._options = path, origin, options
        self._model, self._sampler, self._best = model, sampler, best
        self._last = resumed.place if resumed else ""  # which one is in the file
        self._signal = 0  # that ends the training after this step, if one came
        self._written_at = time.monotonic()

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
            "best": vars(self._best.best) if self._best.best.epoch else None,
        }
        with contextlib.suppress(OSError):  # save_checkpoint says what is wrong there
            make_folders(self._path.parent)
        save_checkpoint(self._model, self._path, with_optimizer=True)
        self._last = name_place(state, epoch)
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


def _pack_epoch(epoch: EpochState) -> dict[str, Any]:
    return {
        "hidden": [hidden.clone() for hidden in epoch.hidden],  # a part would be saved as a whole
        "step": epoch.step,
        "total": epoch.total,
        "pending": torch.tensor([float(loss) for loss in epoch.pending]),
        "seconds": epoch.seconds,
    }
