"""Early stopping: the weights of the epoch that measured best, and when to look for no better one.

Prechelt, "Early stopping, but when?" (1998); the criterion here is a number of epochs without gain.
"""

import logging
import math
from dataclasses import dataclass

from torch import Tensor

from gru4rec.learning.trainer import TrainingState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Best:
    """The best epoch so far.

    Attributes:
        epoch: Counted as `TrainingState.epochs`; 0 before the first one.
        value: What it measured.
        tensors: Copies of weights and optimiser state after it, by name.
    """

    epoch: int
    value: float
    tensors: dict[str, Tensor]


class BestEpoch:
    """Keeps what a training was after its best epoch.

    Args:
        patience: Epochs without gain after which the training stops; None neither stops nor keeps.
        min_delta: A gain is more than this.
        best: The best epoch of a training that goes on.

    Attributes:
        best: The best epoch so far.
    """

    def __init__(self, patience: int | None, min_delta: float, best: Best | None = None) -> None:
        self._patience, self._min_delta = patience, min_delta
        self.best = best or Best(0, -math.inf, {})

    def look(self, state: TrainingState, value: float) -> None:
        """Takes note of an epoch that is done.

        Args:
            state: After it; is copied if it is the best.
            value: What was measured, higher is better.
        """
        if self._patience is not None and value > self.best.value + self._min_delta:
            # the old copy goes first: both would take memory
            self.best = Best(state.epochs, value, {})
            copies = {name: tensor.clone() for name, tensor in _tensors(state).items()}
            self.best = Best(state.epochs, value, copies)

    def is_over(self, state: TrainingState) -> bool:
        """Whether there was no gain for so many epochs."""
        return (
            self._patience is not None
            and bool(self.best.epoch)
            and state.epochs - self.best.epoch >= self._patience
        )


def keep(best: Best, state: TrainingState, history: list[dict[str, float]], first: float) -> None:
    """Gives a state, in place, the weights and optimiser that it had after its best epoch.

    Args:
        best: The best epoch; of none, nothing is changed.
        state: Of the training.
        history: Its records, those after epoch `first`, say from now on whose weights these are.
        first: The last epoch before the training.
    """
    if not best.epoch:
        return
    for name, tensor in _tensors(state).items():
        tensor.copy_(best.tensors[name])
    for record in history:
        if record["epoch"] > first:
            record["kept"] = float(record["epoch"] == best.epoch)
    logger.info("Keeping the weights of epoch %d, the best one", best.epoch)


def _tensors(state: TrainingState) -> dict[str, Tensor]:
    """All that belongs to an epoch, by name."""
    groups = zip(("tables", "dense", "accumulators", "velocities"), state.tensors(), strict=True)
    return {f"{group}.{name}": tensor for group, named in groups for name, tensor in named.items()}


def check_best(best: Best, state: TrainingState) -> None:
    """Makes sure that a best epoch that was read from a file fits a state.

    Raises:
        ValueError: It does not.
    """
    wanted = {name: (tensor.dtype, tensor.shape) for name, tensor in _tensors(state).items()}
    found = {name: (tensor.dtype, tensor.shape) for name, tensor in best.tensors.items()}
    if found and found != wanted:
        raise ValueError("the weights of its best epoch do not fit the others")
