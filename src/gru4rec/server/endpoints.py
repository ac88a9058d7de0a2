"""What the server answers."""

import asyncio
import functools
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, NamedTuple

import pandas as pd
from fastapi import APIRouter, HTTPException, Path, Query, Response
from pydantic import BaseModel

from gru4rec.data.vocabulary import UNKNOWN
from gru4rec.errors import DataError, shown
from gru4rec.server.clock import Clock
from gru4rec.server.messages import (
    ClickAnswer,
    Events,
    ManyAnswers,
    ManySessions,
    ModelAnswer,
    RecommendedItem,
    SessionAnswer,
    SimilarItems,
)
from gru4rec.server.metrics import Metrics
from gru4rec.server.models import ModelKeeper, Served
from gru4rec.server.options import ServerOptions
from gru4rec.server.sessions import Click, ServerSessions
from gru4rec.serving.live import LiveSession
from gru4rec.serving.shortlist import Shortlist

_SESSIONS_AT_A_TIME = 100
# requests that compute, or wait for the store, at once; more wait for their turn. With many more
# than cores each takes longer, and the slowest twice as long
_THREADS = max(4, 2 * (os.cpu_count() or 1))

SessionId = Annotated[str, Path(max_length=256, examples=["anna"])]
K = Annotated[int, Query(ge=1, description="How many items.")]
ExcludeSeen = Annotated[bool, Query(description="Leave out the items of the session.")]
Candidates = Annotated[
    str | None, Query(description="Name of a shortlist: recommend these items only.")
]


class _Wanted(NamedTuple):
    k: int
    exclude_seen: bool
    candidates: Shortlist | None


class _Answer(NamedTuple):
    message: BaseModel | None
    clock: Clock


class Endpoints:
    """The endpoints of one server; they compute in threads, `Guard` has read the body before.

    Args:
        keeper: Has the model.
        sessions: Has the sessions.
        options: Limits.
        metrics: Where clicks and times are counted.
    """

    def __init__(
        self,
        keeper: ModelKeeper,
        sessions: ServerSessions,
        options: ServerOptions,
        metrics: Metrics,
    ) -> None:
        self._keeper, self._sessions = keeper, sessions
        self._options, self._metrics = options, metrics
        self._threads = ThreadPoolExecutor(_THREADS, "request")

    def router(self) -> APIRouter:
        """Returns all of them at their addresses."""
        router = APIRouter()
        for method, path, function, answer, tag in (
            ("POST", "/sessions/{session}/events", self.add_events, ClickAnswer, "sessions"),
            (
                "GET",
                "/sessions/{session}/recommendations",
                self.recommendations,
                SessionAnswer,
                "sessions",
            ),
            ("DELETE", "/sessions/{session}", self.forget, None, "sessions"),
            ("POST", "/recommend", self.recommend, ManyAnswers, "without sessions"),
            ("GET", "/items/{item:path}/similar", self.similar, SimilarItems, "without sessions"),
            ("GET", "/model", self.model, ModelAnswer, "server"),
        ):
            router.add_api_route(
                path,
                self._in_thread(function),
                methods=[method],
                response_model=answer,
                status_code=200 if answer else 204,
                tags=[tag],
            )
        return router

    def _in_thread(self, function: Callable[..., _Answer]) -> Callable[..., Any]:
        """Makes an endpoint of a function that computes, or waits for the store.

        It changes threads once, and writes the JSON itself: by FastAPI's own way both would take
        longer than a small model.
        """

        def answer(arguments: dict[str, Any]) -> Response:
            message, clock = function(**arguments)
            headers = {"Server-Timing": clock.header()} if clock.seconds else None
            for part, seconds in clock.seconds.items():
                self._metrics.parts.labels(part).observe(seconds)
            if message is None:
                return Response(status_code=204)
            content = message.model_dump_json(exclude_none=True)
            return Response(content, headers=headers, media_type="application/json")

        @functools.wraps(function)
        async def endpoint(**arguments: Any) -> Response:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, answer, arguments)

        return endpoint

    def add_events(
        self,
        session: SessionId,
        events: Events,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> _Answer:
        """Takes clicks of a session, all or none, and answers with its next items."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen, candidates)
        self._check_number(len(events.events))
        clicks = [Click(event.item, event.id) for event in events.events]
        outcome = self._sessions.add(served, session, clicks, clock)
        counts = {
            "known": outcome.n_known,
            "unknown": outcome.n_unknown,
            "repeated": outcome.n_repeated,
        }
        for kind, n in counts.items():
            self._metrics.clicks.labels(kind).inc(n)
        items = self._next_items(served, outcome.live, wanted, clock)
        answer = ClickAnswer(session=session, model=served.gru.digest, items=items, **counts)
        return _Answer(answer, clock)

    def recommendations(
        self,
        session: SessionId,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> _Answer:
        """Answers with the next items of a session; what is popular where it has no clicks."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen, candidates)
        live = self._sessions.read(served, session, clock)
        items = self._next_items(served, live, wanted, clock)
        answer = SessionAnswer(session=session, model=served.gru.digest, items=items)
        return _Answer(answer, clock)

    def forget(self, session: SessionId) -> _Answer:
        """Forgets a session, if it is there."""
        self._sessions.forget(session)
        return _Answer(None, Clock())

    def recommend(
        self,
        body: ManySessions,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> _Answer:
        """Answers with the next items of sessions that are given as a whole, and not kept."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen, candidates)
        if len(body.sessions) > _SESSIONS_AT_A_TIME:
            raise HTTPException(
                422, f"{len(body.sessions)} sessions; at most {_SESSIONS_AT_A_TIME} are taken"
            )
        items = [item for session in body.sessions for item in session]
        self._check_number(len(items))
        with clock.span("model"):
            n_unknown = sum(served.gru.vocabulary.find(item) == UNKNOWN for item in items)
            best = served.gru.recommend(body.sessions, *wanted)
        rows: list[list[RecommendedItem]] = [[] for _ in body.sessions]
        for number, row in zip(best["session"].tolist(), _rows(served, best), strict=True):
            rows[number].append(row)
        answer = ManyAnswers(model=served.gru.digest, unknown=n_unknown, sessions=rows)
        return _Answer(answer, clock)

    def similar(self, item: Annotated[str, Path()], k: K = 20) -> _Answer:
        """Answers with the items that are most like one, by the cosine of their embeddings."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen=False, candidates=None)
        item_id = served.gru.vocabulary.from_text(item)
        if served.gru.vocabulary.find(item_id) == UNKNOWN:
            raise HTTPException(404, f"the model does not know the item {shown(item_id)}")
        with clock.span("model"):
            similar = served.gru.similar_items(item_id, wanted.k)
        rows = _rows(served, similar)
        return _Answer(SimilarItems(item=item_id, model=served.gru.digest, items=rows), clock)

    def model(self) -> _Answer:
        """Tells which model is served, and what was made of it."""
        served, options = self._keeper.current, self._options
        gru = served.gru
        answer = ModelAnswer(
            digest=gru.digest,
            file=served.file.name,
            loaded_at=served.loaded_at.isoformat(timespec="seconds"),
            items=len(gru.vocabulary),
            ids="text" if gru.vocabulary.holds_text else "integers",
            configuration=gru.config.model_dump(),
            last_epoch=gru.history.iloc[-1].to_dict() if len(gru.history) else {},
            notes=gru.notes,
            shortlists={name: len(items) for name, items in served.shortlists.items()},
            limits={"k": options.max_k, "items": options.max_items, "body": options.max_body},
        )
        return _Answer(answer, Clock())

    def _wanted(
        self, served: Served, k: int, exclude_seen: bool, candidates: str | None
    ) -> _Wanted:
        if k > self._options.max_k:
            raise DataError(f"k is {k}; at most {self._options.max_k} items are answered")
        if candidates is not None and candidates not in served.shortlists:
            names = ", ".join(served.shortlists) or "none"
            raise HTTPException(
                404, f"there is no shortlist {shown(candidates)}; there are: {names}"
            )
        shortlist = served.shortlists[candidates] if candidates is not None else None
        return _Wanted(k, exclude_seen, shortlist)

    def _check_number(self, n_items: int) -> None:
        if n_items > self._options.max_items:
            raise DataError(f"{n_items} items; at most {self._options.max_items} are taken")

    def _next_items(
        self, served: Served, live: LiveSession, wanted: _Wanted, clock: Clock
    ) -> list[RecommendedItem]:
        with clock.span("model"):
            best = live.recommend(*wanted)
        return _rows(served, best)


def _rows(served: Served, best: pd.DataFrame) -> list[RecommendedItem]:
    columns: tuple[Sequence[Any], Sequence[float]] = best["item"].tolist(), best["score"].tolist()
    titles = served.titles
    return [
        # checked they are already: they come from the model
        RecommendedItem.model_construct(item=item, score=score, title=titles.get(item))
        for item, score in zip(*columns, strict=True)
    ]
