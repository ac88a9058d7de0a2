"""Next-item evaluation against the whole catalogue."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from gru4rec import columns
from gru4rec.cards import Card, Shown, counted
from gru4rec.compute import engine_of
from gru4rec.config import Config, EvaluationConfig, as_config
from gru4rec.data.schedule import Schedule, make_schedule
from gru4rec.errors import ConfigError, DataError, shown
from gru4rec.evaluation.data import EvaluationData, prepare_evaluation
from gru4rec.evaluation.lists import Lists, padded
from gru4rec.evaluation.metrics import DEFAULT, ByCutoff, mean_metrics, summarise
from gru4rec.evaluation.next_item import NextItemModel, check_model, checked, network_of
from gru4rec.evaluation.ranking import rank, ranks_of, top_k
from gru4rec.frames.ids import Ids
from gru4rec.model.network import Network
from gru4rec.model.states import reset_states
from gru4rec.progress import ProgressDisplay

_CPU = torch.device("cpu")
_BLOCK_NUMBERS = 1 << 22  # scores in memory at once: 32 MB of 64-bit numbers
_SHOWN = (1, 5, 10, 20)  # cutoffs

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, repr=False)
class RankedEvents(Shown):
    """Every target of an evaluation and its rank; one entry a target.

    Attributes:
        sessions: Session id, shape (n,).
        positions: Place of the target among the session's known events, from 1, shape (n,).
        items: Item id, shape (n,).
        ranks: Rank of the target, from 1, shape (n,).
        ties: Other items with exactly the target's score, shape (n,).
        n_events: Events given.
        n_unknown: Events on items that the model does not know; removed before ranking.
        n_seen: Targets that were left out, as the session had their items before.
        lists: The best items for each target, where they were asked for.
    """

    sessions: Ids
    positions: Ints
    items: Ids
    ranks: npt.NDArray[np.float64]
    ties: Ints
    n_events: int
    n_unknown: int
    n_seen: int = 0
    lists: Lists | None = None

    def _card(self) -> Card:
        n_sessions = len(pd.unique(self.sessions))
        facts = [counted(len(self.ranks), "target"), counted(n_sessions, "session")]
        measured = mean_metrics(self.ranks, _SHOWN, DEFAULT) if len(self.ranks) else {}
        facts += [f"{name}@{_SHOWN[-1]} {at[_SHOWN[-1]]:.4f}" for name, at in measured.items()]
        if self.n_unknown:
            facts.append(f"{counted(self.n_unknown, 'event')} on unknown items left out")
        rows = {name: list(at.values()) for name, at in measured.items()}
        return Card("RankedEvents", facts, pd.DataFrame({"k": _SHOWN, **rows}))

    def to_frame(self) -> pd.DataFrame:
        """Returns a row a target: SessionId, position, ItemId, rank, ties."""
        return pd.DataFrame(
            {
                columns.SESSION: self.sessions,
                "position": self.positions,
                columns.ITEM: self.items,
                columns.RANK: self.ranks,
                "ties": self.ties,
            }
        )


class _Question(NamedTuple):
    """What a model is asked.

    Attributes:
        data: The events.
        is_asked: Which of them are targets, shape (n_known,).
        mode: How ties count.
        exclude_seen: Whether the items of the session so far are left out.
        top: How many items the lists have; 0: no lists.
    """

    data: EvaluationData
    is_asked: npt.NDArray[np.bool_]
    mode: str
    exclude_seen: bool
    top: int

    def seen(self, events: Ints) -> list[list[int]] | None:
        """Items to leave out of the ranking of some targets."""
        return self.data.seen_before(events) if self.exclude_seen else None


class _Answer(NamedTuple):
    """Of some targets, all of shape (n,) but the lists, (n, top)."""

    events: Ints
    ranks: npt.NDArray[np.float64]
    ties: Ints
    lists: npt.NDArray[np.int32]


def rank_events(
    gru: NextItemModel,
    test_data: pd.DataFrame,
    batch_size: int = 512,
    mode: str = "conservative",
    item_key: str = columns.ITEM,
    session_key: str = columns.SESSION,
    time_key: str = columns.TIME,
    targets: str = "all",
    exclude_seen: bool = False,
    top: int = 0,
) -> RankedEvents:
    """Ranks each event but the first of a session against all items.

    Args:
        gru: A trained GRU4Rec, a baseline, or another `NextItemModel`.
        test_data: One row an event, in any order.
        batch_size: Sessions that a network reads in parallel; changes nothing but rounding.
        mode: Tie handling, see `ranking.rank`.
        item_key: Column of items.
        session_key: Column of sessions.
        time_key: Column of times.
        targets: `all` ranks each of them, `first` the first of these only, `last` the last.
        exclude_seen: Leave the items of the session so far out of the ranking. Targets among them,
            which no model could hit, are left out and counted.
        top: Also list so many of the best items for each target, for the metrics of lists.

    Raises:
        ConfigError: An option is not valid.
        DataError: The data cannot be used, nothing is left to rank, `gru` is no `NextItemModel`, or
            its scores are not what `NextItemModel.score_next` promises; or lists are asked for of
            a model without `item_counts`.
    """
    check_model(gru)
    data = prepare_evaluation(gru.vocabulary, test_data, item_key, session_key, time_key)
    return rank_prepared(gru, data, batch_size, mode, targets, exclude_seen, top)


def rank_prepared(
    model: NextItemModel,
    data: EvaluationData,
    batch_size: int,
    mode: str,
    targets: str = "all",
    exclude_seen: bool = False,
    top: int = 0,
) -> RankedEvents:
    """Does the work of `rank_events`."""
    given = {"mode": mode, "batch_size": batch_size, "targets": targets}
    options = EvaluationConfig.parse({**given, "exclude_seen": exclude_seen}, origin="batch_eval")
    if not isinstance(top, int | np.integer) or top < 0:
        raise ConfigError(f"top is {shown(top)}; a number of items is expected, or 0 for no lists")
    counts = _counts_of(model) if top else np.empty(0, np.int64)
    is_asked, n_seen = data.asked(options.targets), 0
    if options.exclude_seen:
        is_repeat = data.is_repeat()
        n_seen = int((is_asked & is_repeat).sum())
        is_asked &= ~is_repeat
    if not is_asked.any():
        raise DataError(
            f"nothing to evaluate: exclude_seen leaves out all {n_seen} targets, whose items their "
            "sessions had before"
        )
    question = _Question(data, is_asked, options.mode, options.exclude_seen, top)
    answer = _ask(model, question, options.batch_size)
    sessions = data.sessions
    return RankedEvents(
        sessions=sessions.session_ids[sessions.session_of_event[is_asked]],
        positions=data.places[is_asked],
        items=sessions.items[is_asked],
        ranks=answer.ranks,
        ties=answer.ties,
        n_events=data.n_events,
        n_unknown=data.n_unknown,
        n_seen=n_seen,
        lists=Lists(answer.lists, counts) if top else None,
    )


def _counts_of(model: NextItemModel) -> Ints:
    """Training events of each item that a model knows."""
    counts = getattr(model, "item_counts", None)
    if not isinstance(counts, np.ndarray) or counts.shape != (len(model.vocabulary),):
        raise DataError(
            f"{type(model).__name__} has no item_counts, which metrics of lists need: the training "
            f"events of each of its {len(model.vocabulary)} items, a NumPy array; it is "
            f"{shown(counts)}"
        )
    return counts


def _ask(model: NextItemModel, question: _Question, batch_size: int) -> _Answer:
    """Returns the answers to all that is asked, by event."""
    network, parts, done = network_of(model), list[Any](), 0
    answers = (
        _ask_model(model, question)
        if network is None
        else _ask_network(network, question, batch_size)
    )
    n = int(question.is_asked.sum())
    mode = nullcontext() if network is None else torch.inference_mode()
    with ProgressDisplay("Evaluating", n) as display, mode:
        for answer in answers:
            parts.append(answer)
            done += len(answer.events)
            display.update(done)
    events, *found = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    order = np.argsort(events)
    return _Answer(events[order], *(array[order] for array in found))


def _ask_network(network: Network, question: _Question, batch_size: int) -> Iterator[_Answer]:
    """Reads each session once, and ranks in tiles."""
    data, top = question.data, question.top
    sessions = data.sessions
    schedule = make_schedule(sessions.offsets, sessions.oldest_first, batch_size)
    is_wanted = question.is_asked[schedule.positions + 1]
    events = schedule.positions[is_wanted] + 1
    targets = torch.from_numpy(data.indices[events]).to(network.device)
    states = _only(walk_states(network, data.indices, schedule), is_wanted)
    done = 0
    for block in in_blocks(states, network.engine.block_rows):
        some = slice(done, done + len(block))
        seen = question.seen(events[some])
        ranks, ties = rank(network, block, targets[some], question.mode, seen)
        best = top_k(network, block, top, seen) if top else None
        yield _Answer(events[some], ranks, ties, padded(best, len(block), top))
        done += len(block)


def _only(states: Iterator[Tensor], is_wanted: npt.NDArray[np.bool_]) -> Iterator[Tensor]:
    """Yields the states (n, units) of each step that are wanted; all rows in shape (n_rows,)."""
    done = 0
    for state in states:
        rows = is_wanted[done : done + len(state)]
        done += len(state)
        if rows.all():
            yield state
        else:  # by numbers: a device would have to be asked how many rows a mask leaves
            yield state[torch.from_numpy(np.flatnonzero(rows)).to(state.device)]


def _ask_model(model: NextItemModel, question: _Question) -> Iterator[_Answer]:
    """Compares the scores of targets with those of all items, a block of targets at a time."""
    data, places, n_items = question.data, question.data.places, len(model.vocabulary)
    targets = np.flatnonzero(question.is_asked)
    # numbers of a target: its scores and its session so far
    sizes = np.cumsum(n_items + places[targets])
    for block in np.split(targets, np.flatnonzero(np.diff(sizes // _BLOCK_NUMBERS)) + 1):
        lengths = places[block]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        events = np.arange(offsets[-1]) + np.repeat(block - offsets[1:], lengths)
        scores = checked(
            model.score_next(data.indices[events], offsets),
            (len(block), n_items),
            f"score_next of {type(model).__name__}",
        )
        own = scores[np.arange(len(block)), data.indices[block], None]
        at_least, equal = (~(scores < own)).sum(axis=1), (scores == own).sum(axis=1)
        pairs = engine_of(_CPU).pairs(question.seen(block) or [], _CPU)
        left_out = tuple(of.numpy() for of in pairs)
        if len(left_out[0]):
            theirs, own = scores[left_out], own[left_out[0], 0]
            at_least -= np.bincount(left_out[0], ~(theirs < own), len(block)).astype(np.int64)
            equal -= np.bincount(left_out[0], theirs == own, len(block)).astype(np.int64)
        best = None
        if question.top:
            rated = torch.from_numpy(scores.astype(np.float64))
            rated[left_out] = -torch.inf
            best = engine_of(rated.device).best_of(rated, min(question.top, n_items))
        ranks, ties = ranks_of(at_least, equal, question.mode)
        yield _Answer(block, ranks, ties, padded(best, len(block), question.top))


def walk_states(
    network: Network, items: npt.NDArray[np.int64], schedule: Schedule
) -> Iterator[Tensor]:
    """Yields the last layer's states after each step of a schedule, shape (n, units)."""
    inputs = torch.from_numpy(items[schedule.positions]).to(network.device)
    starts = torch.from_numpy(schedule.starts).to(network.device)
    hidden = network.zero_state(schedule.n_lanes)
    for begin, end in schedule.steps():
        hidden = reset_states(hidden, starts[begin:end])
        hidden = network.advance(network.embed(inputs[begin:end]), hidden)
        yield hidden[-1].clone()  # the next reset is in place


def in_blocks(states: Iterator[Tensor], at_least: int) -> Iterator[Tensor]:
    """Gathers rows until there are enough for an efficient matrix product."""
    waiting: list[Tensor] = []
    n_rows = 0  # not counted anew: of a long session there are as many tensors as rows
    for state in states:
        waiting.append(state)
        n_rows += len(state)
        if n_rows >= at_least:
            yield torch.cat(waiting)
            waiting.clear()
            n_rows = 0
    if waiting:
        yield torch.cat(waiting)


def batch_eval(
    gru: NextItemModel,
    test_data: pd.DataFrame,
    cutoff: Sequence[int] | int = (20,),
    batch_size: int = 512,
    mode: str = "conservative",
    item_key: str = columns.ITEM,
    session_key: str = columns.SESSION,
    time_key: str = columns.TIME,
    metrics: Sequence[str] = ("recall", "mrr"),  # noqa: ARG001
    targets: str = "all",
    exclude_seen: bool = False,
) -> tuple[ByCutoff, ByCutoff]:
    """Measures recall and MRR (CIKM 2018, section 5) against the whole catalogue.

    Arguments and errors are those of `rank_events`.

    Args:
        cutoff: The k's of recall@k and MRR@k.
        metrics: Changes nothing; it is here so that the section `evaluation` fits. Others than
            these two are measured by `measure`.

    Returns:
        Recall and MRR, dictionaries keyed by cutoff.
    """
    keys = (item_key, session_key, time_key)
    ranked = rank_events(gru, test_data, batch_size, mode, *keys, targets, exclude_seen)
    return summarise(ranked.ranks, cutoff)


def evaluate(
    gru: NextItemModel, test_data: pd.DataFrame, config: Config | Mapping[str, Any]
) -> tuple[ByCutoff, ByCutoff]:
    """Runs `batch_eval` with the sections `evaluation` and `data` of a configuration."""
    sections = as_config(config)
    return batch_eval(gru, test_data, **sections.evaluation, **sections.data)
