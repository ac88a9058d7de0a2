"""The server as an ASGI application, which uvicorn runs."""

import contextlib
import gc
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from typing import Annotated, Any

import torch
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.types import ASGIApp

import gru4rec
from gru4rec.errors import GRU4RecError
from gru4rec.server import messages
from gru4rec.server.endpoints import Endpoints
from gru4rec.server.guard import Guard
from gru4rec.server.metrics import Metrics
from gru4rec.server.models import ModelKeeper
from gru4rec.server.options import ServerOptions
from gru4rec.server.routes import QuickRoutes, is_key
from gru4rec.server.scoring import Scorer
from gru4rec.server.sessions import ServerSessions
from gru4rec.server.stores import open_store
from gru4rec.server.stores.base import SessionStore, StoreAwayError

logger = logging.getLogger(__name__)

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    n: {"model": messages.Problem} for n in (401, 404, 408, 413, 422, 503)
}
_PAGE_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; frame-ancestors 'none'"
)


def create_app(options: ServerOptions | None = None) -> ASGIApp:
    """Makes the application.

    Args:
        options: None takes those that `gru4rec serve` left to this worker.

    Raises:
        GRU4RecError: An option or a file cannot be used.
    """
    options = options or ServerOptions.of_environment()
    torch.set_num_threads(options.threads)
    metrics = Metrics()

    def count_reload(went_well: bool) -> None:
        metrics.reloads.labels("taken" if went_well else "refused").inc()
        metrics.loaded_at.set(keeper.current.loaded_at.timestamp())

    keeper = ModelKeeper(options, count_reload)
    metrics.loaded_at.set(keeper.current.loaded_at.timestamp())
    store = open_store(options.store, 60 * options.session_minutes, options.max_sessions)
    scorer = Scorer(metrics)
    sessions = ServerSessions(store, scorer, options.max_items)

    @contextlib.asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        scorer.open(keeper.current.gru.network.engine)
        keeper.watch()
        # what there is now stays: to look through all of it for garbage would let every request of
        # the moment wait, for some 200 ms each second of a busy server
        gc.collect()
        gc.freeze()
        yield
        gc.unfreeze()
        keeper.stop()
        await scorer.close()
        await store.close()

    app = FastAPI(
        title="GRU4Rec",
        description="Next items of sessions, from a model of `gru4rec`.",
        version=gru4rec.__version__,
        lifespan=running,
        responses=_PROBLEMS,
    )
    endpoints = Endpoints(keeper, sessions, scorer, options, metrics)
    key = [Depends(_key_check(options.api_key))] if options.api_key else []
    router = endpoints.router()
    app.include_router(router, dependencies=key)
    _add_status(app, store)
    _add_page(app)
    _add_error_handlers(app, metrics)

    @app.get("/metrics", tags=["server"], dependencies=key, response_class=Response)
    async def tell_metrics() -> Response:
        """What Prometheus reads."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    # around FastAPI, not in it: what it has of its own before the first middleware takes time, too
    quick = QuickRoutes(app, router.routes, options.api_key, app.exception_handlers)
    return Guard(quick, options, metrics)


def _key_check(key: str) -> Callable[..., Awaitable[None]]:
    bearer = HTTPBearer(auto_error=False)

    async def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        # headers are bytes, which Starlette reads as Latin-1
        if not is_key(given.credentials.encode("latin-1") if given else b"", key):
            raise HTTPException(
                401,
                "the API key is missing or wrong; send it as Authorization: Bearer KEY",
                {"WWW-Authenticate": "Bearer"},
            )

    return check


def _add_status(app: FastAPI, store: SessionStore) -> None:
    @app.get("/health", tags=["server"])
    async def health() -> messages.Status:
        """Answers as long as the process is alive."""
        return messages.Status(status="alive")

    @app.get("/ready", tags=["server"])
    async def ready() -> messages.Status:
        """Answers 200 if requests can be answered, 503 if the store of sessions is away."""
        await store.check()
        return messages.Status(status="ready")


def _add_page(app: FastAPI) -> None:
    page = resources.files("gru4rec.server").joinpath("page.html").read_text(encoding="utf-8")

    @app.get("/", include_in_schema=False)
    async def tell_page() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": _PAGE_POLICY})


def _add_error_handlers(app: FastAPI, metrics: Metrics) -> None:
    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        is_json = all(e["type"] != "json_invalid" for e in error.errors())
        return _problem(422 if is_json else 400, _first(error))

    @app.exception_handler(StoreAwayError)
    async def away(_: Request, error: StoreAwayError) -> JSONResponse:
        metrics.store_errors.inc()
        logger.error("%s: %s", error, error.__cause__)
        return _problem(503, str(error), {"Retry-After": "1"})

    @app.exception_handler(GRU4RecError)
    async def refused(_: Request, error: GRU4RecError) -> JSONResponse:
        return _problem(422, str(error))


def _problem(status: int, detail: str, headers: dict[str, str] | None = None) -> JSONResponse:
    # half a pair of UTF-16 is text for JSON, but cannot be sent as UTF-8
    readable = detail.encode("utf-8", "backslashreplace").decode()
    return JSONResponse({"detail": readable}, status, headers)


def _first(error: RequestValidationError) -> str:
    """The first mistake in one line; there may be thousands."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    what = first["msg"].removeprefix("Value error, ")
    if first["loc"] == ("body",) and first["type"] in {"model_attributes_type", "missing"}:
        what = "a JSON object is expected, sent with Content-Type: application/json"
    return f"{where}: {what}"[:500]
