"""Next-item evaluation against the whole catalogue."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MethodType
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from gru4rec import columns
from gru4rec.config import Config, EvaluationConfig, as_config
from gru4rec.data.schedule import Schedule, make_schedule
from gru4rec.data.sessions import Sessions, order_sessions
from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import DataError
from gru4rec.evaluation.metrics import ByCutoff, summarise
from gru4rec.evaluation.ranking import BLOCK_ROWS, rank, ranks_of
from gru4rec.frames.ids import Ids
from gru4rec.model.network import Network
from gru4rec.model.states import reset_states
from gru4rec.progress import ProgressDisplay

logger = logging.getLogger(__name__)

_BLOCK_NUMBERS = 1 << 22  # scores in memory at once: 32 MB of 64-bit numbers


class NextItemModel(Protocol):
    """Whatever can be evaluated: GRU4Rec, a baseline, a class of your own."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The items that it scores; all others are left out of the evaluation."""

    def score_next(
        self, items: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.floating[Any]]:
        """Scores every item as the next one of each session so far.

        Args:
            items: Item indices of the sessions, oldest first, shape (n_events,).
            offsets: Session r so far is items[offsets[r]:offsets[r + 1]], which is not empty; shape
                (n + 1,).

        Returns:
            Higher is better, shape (n, n_items), a NumPy array of floats; −inf excludes an item,
            +inf and NaN are refused. It may depend on no other session.
        """


ScoreNext = TypeVar("ScoreNext", bound=Callable[..., Any])
_BY_NETWORK: set[Callable[..., Any]] = set()


def by_network(score_next: ScoreNext) -> ScoreNext:
    """Says of a class's `score_next` that its scores are those of the object's `network`.

    The evaluation then reads each session once and ranks in tiles, with the same results. What
    overrides, replaces or wraps it is asked for its scores, as any other model is.
    """
    _BY_NETWORK.add(score_next)
    return score_next


def _network_of(model: NextItemModel) -> Network | None:
    """The network that decides alone; None where the model is to be asked."""
    ask: Any = model.score_next
    if not isinstance(ask, MethodType) or ask.__func__ not in _BY_NETWORK:
        return None
    owner: Any = ask.__self__
    network: Network = owner.network
    return network if owner is model else None


@dataclass(frozen=True)
class RankedEvents:
    """Every target of an evaluation and its rank; one entry a target.

    Attributes:
        sessions: Session id, shape (n,).
        positions: Place of the target among the session's known events, from 1, shape (n,).
        items: Item id, shape (n,).
        ranks: Rank of the target, from 1, shape (n,).
        ties: Other items with exactly the target's score, shape (n,).
        n_events: Events given.
        n_unknown: Events on items that the model does not know; removed before ranking.
    """

    sessions: Ids
    positions: npt.NDArray[np.int64]
    items: Ids
    ranks: npt.NDArray[np.float64]
    ties: npt.NDArray[np.int64]
    n_events: int
    n_unknown: int

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


@dataclass(frozen=True)
class EvaluationData:
    """A test set in order, without unknown items.

    Attributes:
        sessions: The known events.
        indices: Item index of each, shape (n_known,).
        n_events: Events given.
    """

    sessions: Sessions
    indices: npt.NDArray[np.int64]
    n_events: int

    @property
    def n_unknown(self) -> int:
        """Events on items that the model does not know."""
        return self.n_events - len(self.indices)

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Events of the session before each, shape (n_known,)."""
        begins = self.sessions.offsets[self.sessions.session_of_event]
        return np.arange(len(self.indices)) - begins


def rank_events(
    gru: NextItemModel,
    test_data: pd.DataFrame,
    batch_size: int = 512,
    mode: str = "conservative",
    item_key: str = columns.ITEM,
    session_key: str = columns.SESSION,
    time_key: str = columns.TIME,
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

    Raises:
        ConfigError: `mode` or `batch_size` is not valid.
        DataError: The data cannot be used, nothing is left to rank, `gru` is no `NextItemModel`, or
            its scores are not what `NextItemModel.score_next` promises.
    """
    _check_model(gru)
    data = prepare_evaluation(gru.vocabulary, test_data, item_key, session_key, time_key)
    return rank_prepared(gru, data, batch_size, mode)


def _check_model(model: Any) -> None:
    """Refuses what does not answer the questions of `NextItemModel`, and says what it lacks."""
    what = f"class {model.__name__}" if isinstance(model, type) else type(model).__name__
    lacks = [] if callable(getattr(model, "score_next", None)) else ["no method score_next"]
    if not isinstance(getattr(model, "vocabulary", None), Vocabulary):
        lacks.append("no vocabulary (a gru4rec.data.vocabulary.Vocabulary)")
    if lacks:
        raise DataError(
            f"cannot evaluate the {what}: it has {' and '.join(lacks)}; a trained GRU4Rec, a "
            "baseline, or another gru4rec.evaluation.NextItemModel is expected"
        )


def prepare_evaluation(
    vocabulary: Vocabulary, test_data: pd.DataFrame, item_key: str, session_key: str, time_key: str
) -> "EvaluationData":
    """Orders a test set and removes the items that the model does not know; see `rank_events`."""
    sessions = order_sessions(test_data, session_key, item_key, time_key)
    indices = vocabulary.encode(sessions.items)
    known = indices != UNKNOWN
    data = EvaluationData(sessions.keep(known), indices[known], len(known))
    if data.n_unknown:
        logger.warning(
            "%d of %d events are on items that the model does not know; they are left out",
            data.n_unknown,
            data.n_events,
        )
    if data.sessions.lengths.max() < 2:
        raise DataError(
            f"nothing to evaluate: of {data.n_events} events, {data.n_unknown} are on items that "
            "the model does not know, and no session has two of the others"
        )
    return data


def rank_prepared(
    model: NextItemModel, data: "EvaluationData", batch_size: int, mode: str
) -> RankedEvents:
    """Does the work of `rank_events`."""
    options = EvaluationConfig.parse({"mode": mode, "batch_size": batch_size}, origin="batch_eval")
    sessions = data.sessions
    ranks, ties = np.zeros(len(data.indices)), np.zeros(len(data.indices), dtype=np.int64)
    network = _network_of(model)
    if network is not None:
        schedule = make_schedule(sessions.offsets, sessions.oldest_first, options.batch_size)
        told = schedule.positions + 1
        ranks[told], ties[told] = _rank_schedule(network, data.indices, schedule, options.mode)
    else:
        told, at_least, equal = _count_scores(model, data)
        ranks[told], ties[told] = ranks_of(at_least, equal, options.mode)
    session_of_event = sessions.session_of_event
    places = data.places
    targets = places > 0
    return RankedEvents(
        sessions=sessions.session_ids[session_of_event[targets]],
        positions=places[targets],
        items=sessions.items[targets],
        ranks=ranks[targets],
        ties=ties[targets],
        n_events=data.n_events,
        n_unknown=data.n_unknown,
    )


def _rank_schedule(
    network: Network,
    items: npt.NDArray[np.int64],
    schedule: Schedule,
    mode: str,
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    wanted = torch.from_numpy(items[schedule.positions + 1]).to(network.device)
    ranks, ties, done = [], [], 0
    with ProgressDisplay("Evaluating", len(wanted)) as display, torch.inference_mode():
        states = walk_states(network, items, schedule)
        for block in in_blocks(states, BLOCK_ROWS):
            ranked = rank(network, block, wanted[done : done + len(block)], mode)
            ranks.append(ranked[0])
            ties.append(ranked[1])
            done += len(block)
            display.update(done)
    return np.concatenate(ranks), np.concatenate(ties)


def _count_scores(
    model: NextItemModel, data: EvaluationData
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Compares the scores of targets with those of all items, a block of targets at a time.

    Returns:
        The targets' events, how many items have at least their score, and how many exactly it, both
        with themselves; all of shape (n,).
    """
    places = data.places
    targets = np.flatnonzero(places > 0)
    # numbers of a target: its scores and its session so far
    sizes = np.cumsum(len(model.vocabulary) + places[targets])
    blocks = np.split(targets, np.flatnonzero(np.diff(sizes // _BLOCK_NUMBERS)) + 1)
    at_least, equal, done = [], [], 0
    with ProgressDisplay("Evaluating", len(targets)) as display:
        for block in blocks:
            lengths = places[block]
            offsets = np.concatenate([[0], np.cumsum(lengths)])
            events = np.arange(offsets[-1]) + np.repeat(block - offsets[1:], lengths)
            scores = _checked(
                model.score_next(data.indices[events], offsets),
                (len(block), len(model.vocabulary)),
                f"score_next of {type(model).__name__}",
            )
            own = scores[np.arange(len(block)), data.indices[block], None]
            at_least.append((~(scores < own)).sum(axis=1))
            equal.append((scores == own).sum(axis=1))
            done += len(block)
            display.update(done)
    return targets, np.concatenate(at_least), np.concatenate(equal)


def _checked(scores: Any, shape: tuple[int, int], origin: str) -> npt.NDArray[np.floating[Any]]:
    """Refuses scores that would be counted as hits or misses of which nobody knows.

    Raises:
        DataError: They are no array of floats of this shape, or NaN or +inf is among them.
    """
    is_plain = isinstance(scores, np.ndarray) and not isinstance(scores, np.ma.MaskedArray)
    if not is_plain or scores.dtype.kind != "f":
        got = f"{type(scores).__module__}.{type(scores).__name__}"
        kind = f" of {scores.dtype}" if isinstance(scores, np.ndarray) else ""
        raise DataError(
            f"{origin} returned {got}{kind}; a NumPy array of floats is expected, with -inf for "
            "items to leave out"
        )
    if scores.shape != shape:
        raise DataError(
            f"{origin} returned shape {scores.shape}; {shape} is expected: a row for each session, "
            "a column for each item of the vocabulary"
        )
    checked: npt.NDArray[np.floating[Any]] = np.asarray(scores)
    if not checked.max() < np.inf:  # of NaN it is NaN
        n_nan = int(np.isnan(checked).sum())
        what = f"{n_nan} NaN" if n_nan else f"{int(np.isposinf(checked).sum())} +inf"
        raise DataError(
            f"{origin} returned {what} among {checked.size} scores, as a division by zero or an "
            "overflow does; finite numbers are expected, and -inf for items to leave out"
        )
    return checked


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
    ranked = rank_events(gru, test_data, batch_size, mode, item_key, session_key, time_key)
    return summarise(ranked.ranks, cutoff)


def evaluate(
    gru: NextItemModel, test_data: pd.DataFrame, config: Config | Mapping[str, Any]
) -> tuple[ByCutoff, ByCutoff]:
    """Runs `batch_eval` with the sections `evaluation` and `data` of a configuration."""
    sections = as_config(config)
    return batch_eval(gru, test_data, **sections.evaluation, **sections.data)
