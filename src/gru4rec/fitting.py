"""One training of a model in three steps: plan it, start it, run it."""

import dataclasses
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gru4rec.addresses import Location, locate, locate_writable
from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.data.schedule import Schedule, make_schedule
from gru4rec.data.sessions import Sessions, order_sessions
from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import ConfigError, DataError
from gru4rec.evaluation import (
    METRICS,
    EvaluationData,
    as_cutoffs,
    check_metric,
    check_metrics,
    of_ranks,
    prepare_evaluation,
)
from gru4rec.frames.times import in_seconds
from gru4rec.learning.best_epoch import BestEpoch, keep
from gru4rec.learning.retiring import days_of, find_unseen, last_days, newest, without_items
from gru4rec.learning.trainer import EpochState, Progress, Trainer, TrainingState
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.memory import memory_of_training, refuse_absurd_sizes
from gru4rec.model.negatives import NegativeSampler, PopularitySampler
from gru4rec.model.network import append_items, compatible_draw, new_network, seeded_draw
from gru4rec.progress import ProgressDisplay
from gru4rec.storage.model_file import Checkpoint, Note
from gru4rec.storage.resuming import find_checkpoint, find_origin, restore_sampler
from gru4rec.storage.training_checkpoints import Checkpoints, NoCheckpoints

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Learnt:
    """What a model has learnt so far; all None and empty at first.

    Attributes:
        vocabulary: Its items.
        state: Weights and counters.
        history: One record an epoch.
    """

    vocabulary: Vocabulary | None
    state: TrainingState | None
    history: list[dict[str, float]]


@dataclass(frozen=True)
class Plan:
    """What a training will do. Making one checks all, and changes nothing.

    Attributes:
        config: Options of the model.
        options: Of `fit`.
        device: Where the model is, or will be.
        vocabulary: All items; known ones keep their index.
        items: Item index of each event, shape (n_events,).
        schedule: The steps of an epoch over these.
        valid: What to measure after each epoch, if anything.
        valid_cutoffs: The k's of that.
        valid_metrics: The metrics of that.
        sampler: The user's own source of negatives.
        checkpoint: File of checkpoints.
        last_epoch: With which the training ends, counted over all trainings of the model.
        last_days: Day of each item's newest event in the data, see `retiring.last_days`.
        retired: Items of the model before that go, by their indices in it.
        needs: What memory the training takes; see `memory_of_training`.
    """

    config: ModelConfig
    options: TrainingConfig
    device: torch.device
    vocabulary: Vocabulary
    items: npt.NDArray[np.int64]
    schedule: Schedule
    valid: EvaluationData | None
    valid_cutoffs: list[int]
    valid_metrics: list[str]
    sampler: NegativeSampler | None
    checkpoint: Location | None
    last_epoch: int
    last_days: npt.NDArray[np.int64]
    retired: npt.NDArray[np.int64]
    needs: dict[str, int]

    @property
    def first_epoch(self) -> int:
        """Epochs that the model has had before."""
        return self.last_epoch - self.config.n_epochs

    def rate_of_epoch(self, n_before: int) -> float:
        """The learning rate of the epoch that so many epochs of the model come before."""
        n_decays = n_before - self.first_epoch
        return self.config.learning_rate * self.options.learning_rate_decay**n_decays


def make_plan(
    config: ModelConfig,
    options: TrainingConfig,
    device: torch.device,
    before: Learnt,
    data: pd.DataFrame,
    keys: tuple[str, str, str],
    valid: pd.DataFrame | None,
    valid_cutoff: Sequence[int] | int,
    valid_metrics: Sequence[str],
    sampler: NegativeSampler | None,
    checkpoint: str | Location | None,
) -> Plan:
    """Checks the arguments of `fit`, orders the events and plans an epoch; see `Plan`.

    Args:
        before: What the model has learnt before.
        data: One row an event.
        keys: Columns of items, sessions and times.
        valid: As `data`.

    Raises:
        ConfigError: Arguments are impossible, alone or together.
        DataError: There is nothing to train on, or to measure.
    """
    cutoffs, metrics = as_cutoffs(valid_cutoff, "fit"), check_metrics(valid_metrics, "fit")
    if of_ranks(metrics) != metrics:
        raise ConfigError(f"valid_metrics is {metrics}; fit measures {of_ranks(METRICS)} only")
    name, k = check_metric(options.metric, "metric")
    if options.patience is not None:
        _refuse_unmeasured(options, valid is not None)
        cutoffs, metrics = sorted({*cutoffs, k}), list(dict.fromkeys([*metrics, name]))
    _check_checkpoint(checkpoint, options.resume, sampler)
    item_key, session_key, time_key = keys
    sessions = order_sessions(data, session_key, item_key, time_key)
    min_lanes = 1 if config.n_sample else 2
    schedule = make_schedule(sessions.offsets, sessions.oldest_first, config.batch_size, min_lanes)
    if schedule.n_examples == 0:
        raise DataError(_why_nothing_to_train_on(sessions))
    known, state = before.vocabulary, before.state
    retired = _find_unseen(before, sessions, options.retire_after_days)
    known = known.without(retired) if known is not None and len(retired) else known
    vocabulary = (
        Vocabulary.from_items(sessions.items) if known is None else known.extended(sessions.items)
    )
    n_new = len(vocabulary) - (0 if known is None else len(known))
    items = vocabulary.encode(sessions.items)
    return Plan(
        config=config,
        options=options,
        device=device,
        vocabulary=vocabulary,
        items=items,
        schedule=schedule,
        valid=None if valid is None else prepare_evaluation(vocabulary, valid, *keys),
        valid_cutoffs=cutoffs,
        valid_metrics=metrics,
        sampler=sampler,
        checkpoint=None if checkpoint is None else locate(checkpoint, ConfigError),
        last_epoch=(state.epochs if state else 0) + config.n_epochs,
        last_days=last_days(items, in_seconds(sessions.times), len(vocabulary)),
        retired=retired,
        needs=memory_of_training(config, architecture_of(config), options, n_new, state is None),
    )


@dataclass(frozen=True)
class Training:
    """A training that has been started: afresh, further, or where a checkpoint was written.

    Attributes:
        plan: What it does.
        learnt: What it changes.
        trainer: Runs its epochs.
        checkpoints: Writes them.
        best: Keeps the weights of the best epoch.
        begun: What the first epoch had come to; None where one begins.
    """

    plan: Plan
    learnt: Learnt
    trainer: Trainer
    checkpoints: NoCheckpoints
    best: BestEpoch
    begun: EpochState | None

    def run(self, record: Callable[[Progress], dict[str, float]]) -> None:
        """Trains to the last epoch, or as long as there is gain.

        Args:
            record: Is told of each epoch that is done, before its checkpoint is written; returns
                the record of the history.
        """
        state, begun, metric = self.trainer.state, self.begun, self.plan.options.metric
        with self.checkpoints.guarding():
            while not self._is_over():
                measured = record(self._run_epoch(begun))
                begun = None
                self.best.look(state, measured.get(metric, 0.0))
                self.checkpoints.after_epoch(is_last=self._is_over())
        keep(self.best.best, state, self.learnt.history, self.plan.first_epoch)

    def _is_over(self) -> bool:
        state = self.trainer.state
        return state.epochs >= self.plan.last_epoch or self.best.is_over(state)

    def _run_epoch(self, begun: EpochState | None) -> Progress:
        """Trains for an epoch, or to the end of one, and shows how far it is."""
        schedule, epoch = self.plan.schedule, self.trainer.state.epochs + 1
        with ProgressDisplay(f"Epoch {epoch}", schedule.n_examples) as display:
            return self.trainer.run_epoch(
                self.plan.items,
                schedule,
                lambda progress: display.update(progress.events, f"loss {progress.loss:.4f}"),
                self.checkpoints.after_step,
                begun,
            )


def start(
    plan: Plan, before: Learnt, notes: dict[str, Note], before_change: Callable[[], None]
) -> Training:
    """Makes the state fit the plan, or reads it from the checkpoint; no weight changes yet.

    Args:
        plan: What to do.
        before: What the model has learnt before; is not kept, as it takes memory.
        notes: Of the model, for its checkpoints.
        before_change: Is called before each step that changes weights.

    Raises:
        ConfigError: The checkpoint was made with other options.
        DataError: It is of other data.
        ModelFileError: It is damaged.
        OutOfMemoryError: The device is too small for the options.
    """
    refuse_absurd_sizes(plan.needs, plan.device)
    origin, resumed = None, None
    if plan.checkpoint is not None:
        origin = find_origin(plan.vocabulary, plan.items, plan.schedule, before.state, plan.options)
    if origin and plan.checkpoint and plan.options.resume:
        resumed = find_checkpoint(plan.checkpoint, origin, plan.config, plan.device, plan.schedule)
    learnt = (
        Learnt(plan.vocabulary, resumed.saved.state, resumed.saved.history)
        if resumed
        else _begin(plan, before)
    )
    state = learnt.state
    assert state is not None  # noqa: S101  (a training has one)
    own = _make_sampler(plan, state) if plan.sampler is None and plan.config.n_sample else None
    if own and resumed and resumed.sampler and plan.checkpoint:
        restore_sampler(plan.checkpoint, own, resumed.sampler, state.generator)
    kept = resumed.best if resumed else None
    best = BestEpoch(plan.options.patience, plan.options.min_delta, kept)
    checkpoints = NoCheckpoints()
    if origin and plan.checkpoint:
        model = Checkpoint(plan.config, plan.vocabulary, state, learnt.history, notes)
        checkpoints = Checkpoints(plan.checkpoint, origin, plan.options, model, own, best, resumed)
    trainer = Trainer(state, plan.config, plan.sampler or own, before_change, plan.rate_of_epoch)
    begun = resumed.epoch if resumed else None
    return Training(plan, learnt, trainer, checkpoints, best, begun)


def _begin(plan: Plan, before: Learnt) -> Learnt:
    """Makes a training state for the vocabulary, or grows the one before; counts the events."""
    config, n_items = plan.config, len(plan.vocabulary)
    counts = torch.from_numpy(np.bincount(plan.items, minlength=n_items))
    days = torch.from_numpy(plan.last_days)
    # not the seed of the training: weights and negatives must not come from the same numbers;
    # nor that of earlier rows: items that come later must not start equal to them
    n_rows = before.state.network.n_items + before.state.n_retired if before.state else 0
    fresh = new_generator(config.seed + 1 + n_rows, torch.device("cpu"))
    if before.state is None:
        draw = compatible_draw() if plan.options.compatibility_mode else seeded_draw(fresh)
        network = new_network(architecture_of(config), n_items, draw).to(plan.device)
        optimizer = make_optimizer(network, config)
        generator = new_generator(config.seed, plan.device)
        state = TrainingState(network, optimizer, counts, generator, last_days=days)
        return Learnt(plan.vocabulary, state, [])
    # another state: what it was before is kept until weights change
    state = dataclasses.replace(before.state)
    if len(plan.retired):
        logger.info(
            "%s of %s items that the model knew had no event in %d days and are retired",
            f"{len(plan.retired):,}",
            f"{state.network.n_items:,}",
            plan.options.retire_after_days,
        )
        state = without_items(state, plan.retired)
    counts[: len(state.counts)] += state.counts
    state.counts, state.last_days = counts, newest(state.last_days, days)
    n_new = n_items - state.network.n_items
    if n_new:
        state.network = append_items(state.network, n_new, fresh)
        state.optimizer = state.optimizer.copy()
        for name in state.network.tables:
            state.optimizer.grow(name, n_new)
    return Learnt(plan.vocabulary, state, before.history)


def _find_unseen(before: Learnt, sessions: Sessions, n_days: int | None) -> npt.NDArray[np.int64]:
    """Finds the items to retire, by their indices; see `retiring.find_unseen`."""
    if n_days is None or before.state is None or before.vocabulary is None:
        return np.empty(0, np.int64)
    present = before.vocabulary.encode(pd.unique(sessions.items))
    today = int(days_of(in_seconds(sessions.times)).max())
    return find_unseen(before.state, present[present != UNKNOWN], today, n_days)


def _make_sampler(plan: Plan, state: TrainingState) -> PopularitySampler:
    generator, config = state.generator, plan.config
    if generator.device.type == "mps":
        # MPS has no 64-bit floats, which exact sampling needs
        generator = new_generator(config.seed, torch.device("cpu"))
    cache_size = plan.options.sample_cache_max_size
    return PopularitySampler(
        state.counts, config.sample_alpha, config.n_sample, generator, cache_size, plan.device
    )


def _refuse_unmeasured(options: TrainingConfig, has_valid: bool) -> None:
    if not has_valid:
        raise ConfigError(
            f"patience is {options.patience}, but there is nothing to measure {options.metric} on; "
            "give validation data, too"
        )


def _check_checkpoint(
    checkpoint: str | Location | None, resume: bool, sampler: NegativeSampler | None
) -> None:
    if checkpoint is not None:
        locate_writable(checkpoint, ConfigError)
    if resume and checkpoint is None:
        raise ConfigError("resume needs to know the checkpoint; name its file")
    if checkpoint is not None and sampler is not None:
        raise ConfigError(
            "a checkpoint cannot hold where your sampler stands; leave checkpoint or sampler out"
        )


def _why_nothing_to_train_on(sessions: Sessions) -> str:
    n_usable = int((sessions.lengths > 1).sum())
    if n_usable == 0:
        return (
            f"nothing to train on: none of the {len(sessions.lengths)} sessions has two events; "
            "are the session ids right?"
        )
    return (
        "nothing to train on: with n_sample 0 the other sessions of the batch are the only "
        f"negatives, and there is {n_usable} session of two events or more; set n_sample"
    )
