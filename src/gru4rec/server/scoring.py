"""Recommends to sessions that wait at the same time in one product.

Scoring reads the whole table of items, for one session as for many. While one batch is computed,
what comes in waits for the next; nothing waits where nothing is computed.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.data.vocabulary import Indices
from gru4rec.model.network import Network
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.serving.recommendations import best_items, final_states, reading
from gru4rec.serving.shortlist import Shortlist

_MOST = 16  # sessions of a batch: more take as much longer as they are more
_USUAL_K = 63  # up to here it costs little to find more items than were asked for
# what others may wait for, 1 to 3 milliseconds; to change threads would cost as much
FEW_STEPS = 16
_FEW_PRODUCTS = 1 << 26

P = ParamSpec("P")
R = TypeVar("R")


class Query(NamedTuple):
    """What to recommend to some sessions.

    Attributes:
        network: The weights.
        sessions: Hidden states of the last layer, shape (n, units), n ≥ 1; or the item indices of
            whole sessions, a list each, which are read first.
        k: Items for each; fewer where there are fewer.
        seen: Item indices to leave out, one list a session; None: nothing.
        shortlist: The only items to recommend; None: all.
    """

    network: Network
    sessions: Tensor | list[list[int]]
    k: int
    seen: list[list[int]] | None
    shortlist: Shortlist | None

    @property
    def kind(self) -> tuple[object, ...]:
        """What queries that one product can answer have in common."""
        size = max(self.k, _USUAL_K).bit_length()
        return id(self.network), id(self.shortlist), size, self.n_steps > FEW_STEPS

    @property
    def n_steps(self) -> int:
        """How many steps of the network come first."""
        return 0 if isinstance(self.sessions, Tensor) else max(map(len, self.sessions))

    @property
    def n_products(self) -> int:
        """How many numbers are multiplied with those of the table."""
        n_items = self.network.n_items if self.shortlist is None else len(self.shortlist)
        return len(self.sessions) * n_items * self.network.architecture.layers[-1]


class Ranked(NamedTuple):
    """The best items of one session, best first: their indices and scores, shape (n,) each."""

    items: Indices
    scores: npt.NDArray[np.float32]


class _Waiting(NamedTuple):
    query: Query
    clock: Clock
    since: float
    answer: "asyncio.Future[list[Ranked]]"


class Scorer:
    """Answers queries in batches.

    Args:
        metrics: Where batches are counted.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._working: asyncio.Task[None] | None = None

    async def best(self, query: Query, clock: Clock) -> list[Ranked]:
        """Returns the best items of each session; `clock` gets the times of queue and model."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(query, clock, time.perf_counter(), loop.create_future())
        self._waiting.append(waiting)
        if self._working is None:
            # it begins when all that is ready to run has run: what comes at once is one batch
            self._working = loop.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        while self._waiting:
            batch, begun = self._next_batch(), time.perf_counter()
            queries = [waiting.query for waiting in batch]
            answers: Sequence[Any]
            try:
                n_products = sum(query.n_products for query in queries)
                is_short = n_products <= _FEW_PRODUCTS and queries[0].n_steps <= FEW_STEPS
                answers = await run(is_short, answer_together, queries)
            except Exception as error:  # told to each who waits
                answers = [error] * len(batch)
            ended = time.perf_counter()
            for waiting, answer in zip(batch, answers, strict=True):
                waiting.clock.seconds["queue"] += begun - waiting.since
                waiting.clock.seconds["model"] += ended - begun
                if waiting.answer.done():  # who asked has gone
                    continue
                if isinstance(answer, Exception):
                    waiting.answer.set_exception(answer)
                else:
                    waiting.answer.set_result(answer)
            self._metrics.batches.observe(len(batch))
        self._working = None

    def _next_batch(self) -> list[_Waiting]:
        """Takes the query that waits longest, and others that one product answers with it."""
        kind, n = self._waiting[0].query.kind, 0
        batch, others = [], []
        for waiting in self._waiting:
            if n < _MOST and waiting.query.kind == kind:
                batch.append(waiting)
                n += len(waiting.query.sessions)
            else:
                others.append(waiting)
        self._waiting = others
        return batch


def answer_together(queries: Sequence[Query]) -> list[list[Ranked]]:
    """Answers queries of one kind, each with a list of what is best for each session."""
    first, seen = queries[0], None
    if any(query.seen for query in queries):
        seen = [row for query in queries for row in query.seen or [[]] * len(query.sessions)]
    with reading():
        states = _read(first.network, [query.sessions for query in queries])
        k = max(query.k for query in queries)
        best = best_items(first.network, states, k, seen, first.shortlist)
    ends = best.lengths.cumsum()
    rows = iter(zip((ends - best.lengths).tolist(), ends.tolist(), strict=True))
    answers = []
    for query in queries:
        parts = [slice(begin, min(end, begin + query.k))
                 for begin, end in itertools.islice(rows, len(query.sessions))]  # fmt: skip
        answers.append([Ranked(best.items[part], best.scores[part]) for part in parts])
    return answers


def _read(network: Network, sessions: Sequence[Tensor | list[list[int]]]) -> Tensor:
    """Returns the last layer's states, shape (n, units); whole sessions are read together."""
    whole = [some for some in sessions if not isinstance(some, Tensor)]
    if not whole:
        return torch.cat([some for some in sessions if isinstance(some, Tensor)])
    items = [session for some in whole for session in some]
    offsets = np.cumsum([0, *map(len, items)])
    flat = np.array([*itertools.chain.from_iterable(items)], dtype=np.int64)
    states = final_states(network, flat, offsets)
    read = iter(torch.split(states, [*map(len, whole)]))
    return torch.cat([some if isinstance(some, Tensor) else next(read) for some in sessions])


async def run(is_short: bool, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Runs what computes: in a thread if it takes long, else at once, without changing threads."""
    if is_short:
        return function(*args, **kwargs)
    return await asyncio.to_thread(function, *args, **kwargs)
