"""What the server answers."""

import functools
from collections.abc import Awaitable, Callable
from pathlib import PurePath
from typing import Annotated, Any, NamedTuple

import pandas as pd
from fastapi import APIRouter, HTTPException, Path, Response
from fastapi import Query as InAddress
from pydantic_core import to_json

from gru4rec.addresses import path_of
from gru4rec.compute import Went
from gru4rec.data.vocabulary import UNKNOWN
from gru4rec.errors import DataError, shown
from gru4rec.server import scoring
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
    Wanted,
)
from gru4rec.server.metrics import Metrics
from gru4rec.server.models import ModelKeeper, Served
from gru4rec.server.options import ServerOptions
from gru4rec.server.scoring import Going, Query, Scorer
from gru4rec.server.sessions import Asked, Click, ServerSessions

_SESSIONS_AT_A_TIME = 100

SessionId = Annotated[str, Path(max_length=256, examples=["anna"])]
WantedQuery = Annotated[Wanted, InAddress()]


class _Answer(NamedTuple):
    message: Any  # one of `messages`; None: nothing is to be said
    clock: Clock


class Endpoints:
    """The endpoints of one server; `Guard` has read the body before.

    They run on the event loop; `scorer` computes what takes long in a thread.

    Args:
        keeper: Has the model.
        sessions: Has the sessions.
        scorer: Finds the next items.
        options: Limits.
        metrics: Where clicks and times are counted.
    """

    def __init__(
        self,
        keeper: ModelKeeper,
        sessions: ServerSessions,
        scorer: Scorer,
        options: ServerOptions,
        metrics: Metrics,
    ) -> None:
        self._keeper, self._sessions, self._scorer = keeper, sessions, scorer
        self._options, self._metrics = options, metrics

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
                self._answering(function),
                methods=[method],
                response_model=answer,
                status_code=200 if answer else 204,
                tags=[tag],
            )
        return router

    def _answering(
        self, function: Callable[..., Awaitable[_Answer]]
    ) -> Callable[..., Awaitable[Response]]:
        """Makes an endpoint of a function, and writes the JSON itself.

        FastAPI would check what the server has just made, which takes longer than a small model.
        """

        @functools.wraps(function)
        async def endpoint(**arguments: Any) -> Response:
            message, clock = await function(**arguments)
            headers = {"Server-Timing": clock.header()} if clock.seconds else None
            for part, seconds in clock.seconds.items():
                self._metrics.parts(part).observe(seconds)
            if message is None:
                return Response(status_code=204)
            content = to_json(message, inf_nan_mode="null")
            return Response(content, headers=headers, media_type="application/json")

        return endpoint

    async def add_events(self, session: SessionId, events: Events, wanted: WantedQuery) -> _Answer:
        """Takes clicks of a session, all or none, and answers with its next items."""
        served, clock = self._keeper.current, Clock()
        self._check(served, wanted)
        self._check_number(len(events.events))
        clicks = [Click(event.item, event.id) for event in events.events]
        done = await self._sessions.add(served, session, clicks, _asked(served, wanted), clock)
        for kind, n in done.counts.items():
            if n:
                self._metrics.clicks(kind).inc(n)
        answer = ClickAnswer(
            session=session,
            model=served.gru.digest,
            items=_rows(served, done.best),
            known=done.counts["known"],
            unknown=done.counts["unknown"],
            repeated=done.counts["repeated"],
        )
        return _Answer(answer, clock)

    async def recommendations(self, session: SessionId, wanted: WantedQuery) -> _Answer:
        """Answers with the next items of a session; what is popular where it has no clicks."""
        served, clock = self._keeper.current, Clock()
        self._check(served, wanted)
        best = await self._sessions.read(served, session, _asked(served, wanted), clock)
        answer = SessionAnswer(session=session, model=served.gru.digest, items=_rows(served, best))
        return _Answer(answer, clock)

    async def forget(self, session: SessionId) -> _Answer:
        """Forgets a session, if it is there."""
        await self._sessions.forget(session)
        return _Answer(None, Clock())

    async def recommend(self, body: ManySessions, wanted: WantedQuery) -> _Answer:
        """Answers with the next items of sessions that are given as a whole, and not kept."""
        served, clock = self._keeper.current, Clock()
        self._check(served, wanted)
        if len(body.sessions) > _SESSIONS_AT_A_TIME:
            raise HTTPException(
                422, f"{len(body.sessions)} sessions; at most {_SESSIONS_AT_A_TIME} are taken"
            )
        n_items = sum(map(len, body.sessions))
        self._check_number(n_items)
        find = served.gru.vocabulary.find
        found = [[find(item) for item in session] for session in body.sessions]
        known = [[index for index in indices if index != UNKNOWN] for indices in found]
        n_unknown = n_items - sum(map(len, known))
        k, exclude_seen, shortlist = _asked(served, wanted)
        begun = [Going(None, indices) for indices in known]
        seen = known if exclude_seen else None
        query = Query(served.gru.network, begun, k, seen, shortlist)
        rows = [_rows(served, best) for best in await self._scorer.best(query, clock)]
        answer = ManyAnswers(model=served.gru.digest, unknown=n_unknown, sessions=rows)
        return _Answer(answer, clock)

    async def similar(
        self,
        item: Annotated[str, Path()],
        k: Annotated[int, InAddress(ge=1, description="How many items.")] = 20,
    ) -> _Answer:
        """Answers with the items that are most like one, by the cosine of their embeddings."""
        served, clock = self._keeper.current, Clock()
        self._check(served, Wanted(k=k))
        item_id = served.gru.vocabulary.from_text(item)
        if served.gru.vocabulary.find(item_id) == UNKNOWN:
            raise HTTPException(404, f"the model does not know the item {shown(item_id)}")
        with clock.span("model"):
            similar = await scoring.run(False, served.gru.similar_items, item_id, k)
        rows = _titled(served, similar["item"].tolist(), similar["score"].tolist())
        return _Answer(SimilarItems(item=item_id, model=served.gru.digest, items=rows), clock)

    async def model(self) -> _Answer:
        """Tells which model is served, and what was made of it."""
        served, options = self._keeper.current, self._options
        gru = served.gru
        last = gru.history.iloc[-1] if len(gru.history) else pd.Series(dtype=float)
        answer = ModelAnswer(
            digest=gru.digest,
            file=PurePath(path_of(served.file)).name,
            loaded_at=served.loaded_at.isoformat(timespec="seconds"),
            items=len(gru.vocabulary),
            ids="text" if gru.vocabulary.holds_text else "integers",
            configuration=gru.config.model_dump(),
            last_epoch={str(name): last[name] for name in last.index},
            notes=gru.notes,
            shortlists={name: len(items) for name, items in served.shortlists.items()},
            limits={"k": options.max_k, "items": options.max_items, "body": options.max_body},
        )
        return _Answer(answer, Clock())

    def _check(self, served: Served, wanted: Wanted) -> None:
        if wanted.k > self._options.max_k:
            raise DataError(f"k is {wanted.k}; at most {self._options.max_k} items are answered")
        if wanted.candidates is not None and wanted.candidates not in served.shortlists:
            names = ", ".join(served.shortlists) or "none"
            raise HTTPException(
                404, f"there is no shortlist {shown(wanted.candidates)}; there are: {names}"
            )

    def _check_number(self, n_items: int) -> None:
        if n_items > self._options.max_items:
            raise DataError(f"{n_items} items; at most {self._options.max_items} are taken")


def _asked(served: Served, wanted: Wanted) -> Asked:
    shortlist = served.shortlists[wanted.candidates] if wanted.candidates else None
    return Asked(wanted.k, wanted.exclude_seen, shortlist)


def _rows(served: Served, best: Went) -> list[RecommendedItem]:
    ids = served.gru.vocabulary.decode(best.items)
    return _titled(served, ids.tolist(), best.scores.tolist())


def _titled(served: Served, items: list[Any], scores: list[float]) -> list[RecommendedItem]:
    rows: list[RecommendedItem] = [
        {"item": item, "score": score} for item, score in zip(items, scores, strict=True)
    ]
    for row in rows if served.titles else []:
        if row["item"] in served.titles:
            row["title"] = served.titles[row["item"]]
    return rows
