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

    Attributes:
        best: The best epoch so far; can be set when a training goes on.
    """

    def __init__(self, patience: int | None, min_delta: float) -> None:
        self._patience, self._min_delta = patience, min_delta
        self.best = Best(0, -math.inf, {})

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

    def put_back(self, state: TrainingState) -> None:
        """Gives a state, in place, the weights and optimiser that it had after the best epoch."""
        if not self.best.tensors:
            return
        for name, tensor in _tensors(state).items():
            tensor.copy_(self.best.tensors[name])
        logger.info("Keeping the weights of epoch %d, the best one", self.best.epoch)


def mark_kept(history: list[dict[str, float]], first: float, best: Best) -> None:
    """Says in the records of a training, those after epoch `first`, whose weights are kept."""
    for record in history:
        if record["epoch"] > first:
            record["kept"] = float(record["epoch"] == best.epoch)


def _tensors(state: TrainingState) -> dict[str, Tensor]:
    """All that belongs to an epoch, by name."""
    network, adagrad = state.network, state.optimizer
    groups = {
        "tables": network.tables,
        "dense": network.dense,
        "accumulators": adagrad.accumulators,
        "velocities": adagrad.velocities,
    }
    return {
        f"{group}.{n}": tensor for group, named in groups.items() for n, tensor in named.items()
    }


def check_best(best: Best, state: TrainingState) -> None:
    """Makes sure that a best epoch that was read from a file fits a state.

    Raises:
        ValueError: It does not.
    """
    wanted = {name: (tensor.dtype, tensor.shape) for name, tensor in _tensors(state).items()}
    found = {name: (tensor.dtype, tensor.shape) for name, tensor in best.tensors.items()}
    if found and found != wanted:
        raise ValueError("the weights of its best epoch do not fit the others")
