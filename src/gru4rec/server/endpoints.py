"""What the server answers."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

import pandas as pd
from fastapi import APIRouter, HTTPException, Path, Query, Response

from gru4rec.data.vocabulary import UNKNOWN
from gru4rec.errors import DataError, shown
from gru4rec.server import messages
from gru4rec.server.clock import Clock
from gru4rec.server.metrics import Metrics
from gru4rec.server.models import ModelKeeper, Served
from gru4rec.server.options import ServerOptions
from gru4rec.server.sessions import Click, ServerSessions
from gru4rec.serving.live import LiveSession
from gru4rec.serving.shortlist import Shortlist

_SESSIONS_AT_A_TIME = 100

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

    def router(self) -> APIRouter:
        """Returns all of them at their addresses."""
        router = APIRouter()
        router.post("/sessions/{session}/events", tags=["sessions"])(self.add_events)
        router.get("/sessions/{session}/recommendations", tags=["sessions"])(self.recommendations)
        router.delete("/sessions/{session}", tags=["sessions"], status_code=204)(self.forget)
        router.post("/recommend", tags=["without sessions"])(self.recommend)
        router.get("/items/{item:path}/similar", tags=["without sessions"])(self.similar)
        router.get("/model", tags=["server"])(self.model)
        for route in router.routes:
            route.response_model_exclude_none = True  # type: ignore[attr-defined]
        return router

    def add_events(
        self,
        session: SessionId,
        events: messages.Events,
        response: Response,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> messages.ClickAnswer:
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
        self._tell_times(clock, response)
        return messages.ClickAnswer(session=session, model=served.gru.digest, items=items, **counts)

    def recommendations(
        self,
        session: SessionId,
        response: Response,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> messages.SessionAnswer:
        """Answers with the next items of a session; what is popular where it has no clicks."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen, candidates)
        live = self._sessions.read(served, session, clock)
        items = self._next_items(served, live, wanted, clock)
        self._tell_times(clock, response)
        return messages.SessionAnswer(session=session, model=served.gru.digest, items=items)

    def forget(self, session: SessionId) -> None:
        """Forgets a session, if it is there."""
        self._sessions.forget(session)

    def recommend(
        self,
        body: messages.ManySessions,
        response: Response,
        k: K = 20,
        exclude_seen: ExcludeSeen = False,
        candidates: Candidates = None,
    ) -> messages.ManyAnswers:
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
        rows: list[list[messages.RecommendedItem]] = [[] for _ in body.sessions]
        for number, row in zip(best["session"].tolist(), _rows(served, best), strict=True):
            rows[number].append(row)
        self._tell_times(clock, response)
        return messages.ManyAnswers(model=served.gru.digest, unknown=n_unknown, sessions=rows)

    def similar(
        self, item: Annotated[str, Path()], response: Response, k: K = 20
    ) -> messages.SimilarItems:
        """Answers with the items that are most like one, by the cosine of their embeddings."""
        served, clock = self._keeper.current, Clock()
        wanted = self._wanted(served, k, exclude_seen=False, candidates=None)
        item_id = served.gru.vocabulary.from_text(item)
        if served.gru.vocabulary.find(item_id) == UNKNOWN:
            raise HTTPException(404, f"the model does not know the item {shown(item_id)}")
        with clock.span("model"):
            similar = served.gru.similar_items(item_id, wanted.k)
        self._tell_times(clock, response)
        return messages.SimilarItems(
            item=item_id, model=served.gru.digest, items=_rows(served, similar)
        )

    def model(self) -> messages.ModelAnswer:
        """Tells which model is served, and what was made of it."""
        served, options = self._keeper.current, self._options
        gru = served.gru
        return messages.ModelAnswer(
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
    ) -> list[messages.RecommendedItem]:
        with clock.span("model"):
            best = live.recommend(*wanted)
        return _rows(served, best)

    def _tell_times(self, clock: Clock, response: Response) -> None:
        response.headers["Server-Timing"] = clock.header()
        for part, seconds in clock.seconds.items():
            self._metrics.parts.labels(part).observe(seconds)


def _rows(served: Served, best: pd.DataFrame) -> list[messages.RecommendedItem]:
    columns: tuple[Sequence[Any], Sequence[float]] = best["item"].tolist(), best["score"].tolist()
    titles = served.titles
    return [
        # checked they are already: they come from the model
        messages.RecommendedItem.model_construct(item=item, score=score, title=titles.get(item))
        for item, score in zip(*columns, strict=True)
    ]
