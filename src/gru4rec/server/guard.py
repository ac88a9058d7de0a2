"""What stands before every endpoint: the limits of a body, and what is measured."""

import asyncio
import json
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gru4rec.server.metrics import Metrics
from gru4rec.server.options import ServerOptions


class _RefusedError(Exception):
    def __init__(self, status: int, detail: str) -> None:
        self.status, self.detail = status, detail


class Guard:
    """Reads a body within its limits before anything else sees it, and counts requests.

    Args:
        app: What answers.
        options: Limits of size and time.
        metrics: Where requests are counted.
    """

    def __init__(self, app: ASGIApp, options: ServerOptions, metrics: Metrics) -> None:
        self._app, self._options, self._metrics = app, options, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-content-type-options", b"nosniff"),
                ]
            await send(message)

        try:
            body = await self._body(scope, receive)
            await self._app(scope, giving(body, receive), noting)
        except _RefusedError as refused:
            await _refuse(refused, noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._metrics.requests(scope["method"], route, str(status)).inc()
            self._metrics.seconds(route).observe(time.perf_counter() - begun)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        most, seconds = self._options.max_body, self._options.body_seconds
        length = dict(scope["headers"]).get(b"content-length", b"0")
        body = b""
        try:
            async with asyncio.timeout(seconds):
                while length.isdigit() and int(length) <= most and len(body) <= most:
                    message = await receive()
                    body += message.get("body", b"")
                    if not message.get("more_body"):
                        return body if len(body) <= most else _too_large(most)
        except TimeoutError:
            raise _RefusedError(408, f"the body did not come within {seconds:g} s") from None
        return _too_large(most)


def _too_large(most: int) -> bytes:
    raise _RefusedError(413, f"the body has more than {most} bytes, the most that is taken")


def giving(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read, then what else comes: that the client has gone."""
    given = False

    async def receiving() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receiving


async def _refuse(refused: _RefusedError, send: Send) -> None:
    content = json.dumps({"detail": refused.detail}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(content)).encode()),
        (b"connection", b"close"),  # the rest of the body is not read
    ]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
