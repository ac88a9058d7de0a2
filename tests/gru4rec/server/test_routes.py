"""What is read quickly is read as FastAPI reads it."""

import itertools
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient

from gru4rec.server.messages import Events, Wanted
from gru4rec.server.routes import QuickRoutes

JSON = {"Content-Type": "application/json"}
BODIES = [
    b'{"events": [{"item": 1}]}',
    b' {"events": [{"id": "a", "item": "\\u00e9"}, {"item": -5}]}',
    b'{"events": [{"item": 123456789012345678901234567890}]}',
    b'{"events": [{"item": 1}], "events": [{"item": 2}]}',
    b'{"events": [{"item": "\\ud800"}]}',
    b'{"events": [{"item": 1, "other": 2}]}',
    b'{"events": [{"item": 1e3}]}',
    b'{"events": [{"item": "1", "id": 1}]}',
    b'\xef\xbb\xbf{"events": [{"item": 1}]}',
    b"",
    b"null",
    b'{"events"',
]
QUERIES = [
    "",
    "k=5",
    "k=5&exclude_seen=yes",
    "k=+5",
    "k=5&k=6",
    "k=",
    "candidates=",
    "candidates=é",
    "k=1.0",
    "K=5",
    "exclude_seen=maybe",
    "k=99999999999999999999",
]
TYPES: list[dict[str, str]] = [
    JSON,
    {"Content-Type": "application/json; charset=utf-8"},
    {"Content-Type": "APPLICATION/JSON"},
    {"Content-Type": "text/plain"},
    {},
]


def client_of(key: str | None) -> TestClient:
    """A client of an application with quick routes; None: without them."""
    router = APIRouter()

    @router.post("/sessions/{session}")
    async def add(
        session: Annotated[str, Path(max_length=5)],
        events: Events,
        wanted: Annotated[Wanted, Query()],
    ) -> Response:
        if wanted.k == 6:
            raise HTTPException(404, "no 6")
        return Response(repr((session, events, wanted)))

    @router.get("/items/{item:path}")
    async def similar(item: str, k: Annotated[int, Query(ge=1)] = 20) -> Response:
        return Response(repr((item, k)))

    app = FastAPI()
    app.include_router(router)
    if key is not None:
        handlers = app.exception_handlers
        app.add_middleware(QuickRoutes, routes=router.routes, key=key, handlers=handlers)
    return TestClient(app)


@pytest.fixture(scope="module")
def clients() -> list[TestClient]:
    return [client_of(None), client_of("")]


@pytest.mark.parametrize("session", ["anna", "a%2Fb", "%20", "annabelle"])
@pytest.mark.parametrize("headers", TYPES, ids=str)
def test_requests_are_read_alike(
    clients: list[TestClient], session: str, headers: dict[str, str]
) -> None:
    for body, query in itertools.product(BODIES, QUERIES):
        path = f"/sessions/{session}?{query}"
        expected, found = (client.post(path, content=body, headers=headers) for client in clients)
        assert (found.status_code, found.text) == (expected.status_code, expected.text), (
            body,
            query,
        )


@pytest.mark.parametrize("query", ["", "k=3", "k=0", "k=x", "j=1"])
def test_parameters_of_the_query_one_by_one_are_read_by_fastapi(
    clients: list[TestClient], query: str
) -> None:
    expected, found = (client.get(f"/items/a/b?{query}") for client in clients)
    assert (found.status_code, found.text) == (expected.status_code, expected.text)


def test_usual_requests_are_not_read_by_fastapi(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(_: APIRoute) -> Callable[..., Any]:
        async def handle(_: Request) -> Response:
            return Response(status_code=418)

        return handle

    monkeypatch.setattr(APIRoute, "get_route_handler", refusing)
    client = client_of("key")
    body = json.dumps({"events": [{"item": 1, "id": "a"}]})
    right, wrong = ({**JSON, "Authorization": f"Bearer {key}"} for key in ("key", "other"))

    assert client.post("/sessions/anna?k=5", content=body, headers=right).status_code == 200
    assert client.post("/sessions/anna", content=body, headers=right).status_code == 200
    for headers in (JSON, wrong):
        assert client.post("/sessions/anna", content=body, headers=headers).status_code == 418
