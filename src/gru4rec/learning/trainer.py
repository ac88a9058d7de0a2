"""The loop over an epoch, on one training state."""

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.config import ModelConfig
from gru4rec.data.schedule import Schedule
from gru4rec.errors import TrainingDivergedError
from gru4rec.learning.autograd_step import AutogradStep
from gru4rec.learning.replay import Replay
from gru4rec.learning.static_step import StaticStep
from gru4rec.model.losses import find_loss
from gru4rec.model.negatives import NegativeSampler, PopularitySampler
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad
from gru4rec.model.states import reset_states

logger = logging.getLogger(__name__)

# losses are looked at once in so many steps: a look waits for the device
_CHECK_EVERY = 128
_ADVICE = (
    "a lower learning_rate or momentum usually helps, and cross-entropy is more robust than bpr-max"
)


@dataclass
class TrainingState:
    """All that training changes.

    Attributes:
        network: Weights.
        optimizer: Accumulators and velocities.
        counts: Training events of each item, shape (n_items,), int64.
        generator: Source of negatives and dropout.
        epochs: Epochs done so far.
        last_days: UTC day of each item's newest event, days since 1970, shape (n_items,), int64;
            see `retiring`. None where none is known.
        n_retired: Items that were there once and are gone.
    """

    network: Network
    optimizer: Adagrad
    counts: Tensor
    generator: torch.Generator
    epochs: int = 0
    last_days: Tensor | None = None
    n_retired: int = 0

    def tensors(self) -> tuple[dict[str, Tensor], ...]:
        """Tables, other weights, accumulators and velocities, by name each."""
        network, adagrad = self.network, self.optimizer
        return network.tables, network.dense, adagrad.accumulators, adagrad.velocities

    def addresses(self) -> list[int]:
        """Where the numbers of all weights and of their optimiser lie."""
        return [tensor.data_ptr() for named in self.tensors() for tensor in named.values()]


@dataclass
class EpochState:
    """What an epoch that is not over has come to.

    Attributes:
        hidden: Hidden states after the last step, per layer (lanes, units).
        step: Steps done.
        total: Sum of the losses that were looked at.
        pending: Losses that were not, shape () each.
        seconds: Time spent.
    """

    hidden: list[Tensor]
    step: int = 0
    total: float = 0.0
    pending: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Progress:
    """Where an epoch stands.

    Attributes:
        epoch: Counted from 1.
        step: Steps done.
        events: Targets seen in this epoch.
        loss: Mean loss of these targets.
        seconds: Since the epoch began.
    """

    epoch: int
    step: int
    events: int
    loss: float
    seconds: float

    @property
    def events_per_second(self) -> float:
        """Targets a second."""
        return self.events / max(self.seconds, 1e-9)


OnProgress = Callable[[Progress], None]
AfterStep = Callable[[EpochState], None]
Step = Callable[[Tensor, Tensor, Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class _Events:
    """What the steps of an epoch read, on the device; step t owns offsets[t]:offsets[t + 1].

    Attributes:
        inputs: Item indices, shape (n_examples,).
        targets: Likewise.
        starts: Whether a session begins there, shape (n_examples,).
        offsets: On the host, n_steps + 1 of them.
    """

    inputs: Tensor
    targets: Tensor
    starts: Tensor
    offsets: list[int]

    def of(self, begin: int, end: int) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs, targets and starts of the steps from `begin` to `end`."""
        rows = slice(self.offsets[begin], self.offsets[end])
        return self.inputs[rows], self.targets[rows], self.starts[rows]


class Trainer:
    """Runs epochs on a training state, also where a tensor of it is replaced in between.

    Args:
        state: Is changed in place.
        config: Loss, dropout and batch size.
        sampler: Extra negatives; None for in-batch negatives only.
        before_change: Is called when all is ready for a step, before it changes weights.
        rate_of_epoch: The learning rate of an epoch by the number of those before it; None: that
            of the optimiser.
    """

    def __init__(
        self,
        state: TrainingState,
        config: ModelConfig,
        sampler: NegativeSampler | None,
        before_change: Callable[[], None] = lambda: None,
        rate_of_epoch: Callable[[int], float] | None = None,
    ) -> None:
        self.state = state
        self.config = config
        self.sampler = sampler
        self._before_change = before_change
        self._rate_of_epoch = rate_of_epoch
        self._make_step()

    def run_epoch(
        self,
        items: npt.NDArray[np.int64],
        schedule: Schedule,
        on_progress: OnProgress = lambda _: None,
        after_step: AfterStep = lambda _: None,
        begun: EpochState | None = None,
    ) -> Progress:
        """Trains on every target of the schedule once.

        Args:
            items: Item index of each event, shape (n_events,).
            schedule: Plan over these events, not empty.
            on_progress: Is told now and then how the epoch stands.
            after_step: Is given what the epoch has come to after each step but the last, or after
                several where the engine takes them at once.
            begun: What it had come to when it was ended before; None for a new epoch.

        Returns:
            The epoch's totals.

        Raises:
            TrainingDivergedError: A loss, or at the end a weight, is not finite.
        """
        network = self.state.network
        at = begun or EpochState(network.zero_state(schedule.n_lanes))
        events = _Events(
            torch.from_numpy(items[schedule.positions]).to(network.device),
            torch.from_numpy(items[schedule.positions + 1]).to(network.device),
            torch.from_numpy(schedule.starts).to(network.device),
            schedule.offsets.tolist(),
        )
        clock_zero = time.perf_counter() - at.seconds
        epoch = self.state.epochs + 1
        self._set_rate()
        engine, together, n_steps = network.engine, [], schedule.n_steps
        if engine.steps_together > 1:
            together = [engine.steps_together, 1] if engine.records_all else [engine.steps_together]
        while at.step < n_steps:
            if not (together and any(self._repeat(at, events, n) for n in together)):
                self._take_one(at, events)
            at.seconds = time.perf_counter() - clock_zero
            if len(at.pending) >= _CHECK_EVERY or at.step == n_steps:
                at.total += _sum_finite(at.pending, epoch, at.step)
                at.pending.clear()
                n_seen = events.offsets[at.step]
                progress = Progress(epoch, at.step, n_seen, at.total / n_seen, at.seconds)
                on_progress(progress)
            if at.step < n_steps:
                after_step(at)
        # the loss of a step is that before its update, and tells of the rows only that it reads
        check_finite(self.state, at)
        self.state.epochs = epoch
        return progress

    def step(
        self, inputs: Tensor, targets: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Draws negatives and trains on one mini-batch; see `AutogradStep.__call__`.

        Args:
            inputs: Item indices, shape (n,).
            targets: Item indices, shape (n,).
            hidden: Hidden states, per layer (n, units).

        Returns:
            The sum of the rows' losses, and the new hidden states, cut off from the past;
            `run_epoch` changes them when sessions end.
        """
        negatives = self.sampler.sample() if self.sampler else targets[:0]
        self._before_change()
        self._look_for_other_tensors()
        self._sizes.add(len(inputs))
        return self._train_on(inputs, targets, negatives, hidden)

    def _take_one(self, at: EpochState, events: _Events) -> None:
        inputs, targets, starts = events.of(at.step, at.step + 1)
        loss, at.hidden = self.step(inputs, targets, reset_states(at.hidden, starts))
        at.pending.append(loss)
        at.step += 1

    def _repeat(self, at: EpochState, events: _Events, n_steps: int) -> bool:
        """Takes some steps as work that is recorded, if the engine wants to and can."""
        self._look_for_other_tensors()
        replay = self._replay_of(at.step, n_steps, events.offsets)
        if replay is None or not replay.works:
            return False
        negatives = None
        if isinstance(self.sampler, PopularitySampler):
            negatives = self.sampler.ahead(n_steps)
            if negatives is None:
                return False  # the last ones of a block
        self._before_change()
        end = at.step + n_steps
        losses, at.hidden = replay(*events.of(at.step, end), negatives, at.hidden)
        at.pending += losses
        at.step = end
        return True

    def _replay_of(self, begin: int, n_steps: int, offsets: list[int]) -> Replay | None:
        """Returns what repeats so many steps from one on; None where they are not recorded.

        They are where all are full batches, or of equal size if the engine wants these, too, and
        where a step of as many rows has been taken: the first one makes ready what a record may
        not. A sampler of somebody else is asked once a step.
        """
        end, engine, step = begin + n_steps, self.state.network.engine, self._train_on
        # an engine that could not record wants it no more
        if engine.steps_together == 1 or not isinstance(step, StaticStep) or end >= len(offsets):
            return None
        n_lanes = offsets[begin + 1] - offsets[begin]
        is_full = n_lanes == offsets[1] or engine.records_all
        if not is_full or offsets[end] - offsets[end - 1] < n_lanes or n_lanes not in self._sizes:
            return None
        sampler = self.sampler
        if sampler and not (isinstance(sampler, PopularitySampler) and sampler.n_steps >= n_steps):
            return None
        if (n_lanes, n_steps) not in self._replays:
            n_sample = self.config.n_sample if sampler else 0
            hidden = self.state.network.zero_state(n_lanes)
            replay = Replay(step, hidden, n_steps, n_sample, self._record)
            self._replays[n_lanes, n_steps] = replay
        return self._replays[n_lanes, n_steps]

    def _look_for_other_tensors(self) -> None:
        """Makes another step if somebody has replaced a tensor: it would go on with the old one."""
        if self._addresses != self.state.addresses():
            self._make_step()

    def _set_rate(self) -> None:
        """Gives the optimiser the learning rate of the next epoch."""
        if self._rate_of_epoch:
            rate = self._rate_of_epoch(self.state.epochs)
            if rate != self.state.optimizer.learning_rate:
                self.state.optimizer.learning_rate = rate
                self._make_step()  # a step keeps the rate that it was made with

    def _make_step(self) -> None:
        self._addresses = self.state.addresses()
        self._train_on = _make_step(self.state, self.config)
        self._record = self.state.network.engine.recorder(self.state.generator)
        self._sizes: set[int] = set()  # of batches that it was made ready for
        self._replays: dict[tuple[int, int], Replay] = {}


# engines with a training step of their own; for all others autograd finds the gradients
_STEPS = {
    "compiled": ("gru4rec.learning.compiled_step", "CompiledStep"),
    "static": ("gru4rec.learning.static_step", "StaticStep"),
    "fused": ("gru4rec.learning.fused_step", "FusedStep"),
}


def _make_step(state: TrainingState, config: ModelConfig) -> Step:
    dropout = Dropout(config.dropout_p_embed, config.dropout_p_hidden, state.generator)
    log_counts = torch.log(state.counts.to(torch.float32).to(state.network.device))
    make: Any = AutogradStep
    engine = state.network.engine
    if engine.name == "compiled" and not find_loss(config.loss).kernel:
        logger.info(
            "The loss %s has no compiled loop; autograd computes it, which takes longer",
            config.loss,
        )
    elif engine.name in _STEPS:
        module, name = _STEPS[engine.name]
        make = getattr(import_module(module), name)  # only those who train pay for the import
    step: Step = make(state.network, state.optimizer, config, dropout, log_counts)
    if config.precision != "float32" and not isinstance(step, StaticStep):
        logger.warning(
            "precision %s is for NVIDIA GPUs; the engine %s multiplies in float32",
            *(config.precision, engine.name),
        )
    return step


def check_finite(state: TrainingState, at: EpochState) -> None:
    """Makes sure that a state is worth keeping.

    Args:
        state: After a step.
        at: What the epoch has come to.

    Raises:
        TrainingDivergedError: A loss or a weight is not finite.
    """
    epoch = state.epochs + 1
    if at.pending:
        _sum_finite(at.pending, epoch, at.step)
    for weight in (*state.network.tables.values(), *state.network.dense.values()):
        # both are NaN where one value is; unlike isfinite() they take no memory
        if not all(math.isfinite(bound) for bound in weight.aminmax()):
            raise TrainingDivergedError(
                f"the weights are not finite in epoch {epoch}, step {at.step}; {_ADVICE}"
            )


def _sum_finite(losses: list[Tensor], epoch: int, last_step: int) -> float:
    values = torch.stack(losses).cpu().double()
    total = float(values.sum())
    if not math.isfinite(total):
        step = last_step - len(values) + 1 + int((~torch.isfinite(values)).nonzero()[0])
        raise TrainingDivergedError(
            f"the loss is not finite in epoch {epoch}, step {step}; {_ADVICE}"
        )
    return total
