"""Usual requests are answered before FastAPI sees them: it takes longer than a small model.

What is unusual in any way is read by FastAPI, and so is what will be refused: there is one set of
rules and of messages.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.datastructures import QueryParams
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from gru4rec.server.guard import giving

_ARGUMENTS = "gru4rec.arguments"
_Read = Callable[[Scope, Mapping[str, str], bytes], dict[str, Any] | None]


class QuickRoutes:
    """Calls the functions of some routes with the arguments that FastAPI would give them.

    It is for functions that take parts of the path, a query and a body, the last two a model each,
    and return a response; of other functions FastAPI reads all requests. A usual request passes no
    dependencies of FastAPI. The body has come whole, in one message.

    Args:
        app: What answers all other requests.
        routes: They.
        key: What FastAPI is told to ask for as the bearer token; empty: nothing.
        handlers: Those of exceptions, by type.
    """

    def __init__(
        self,
        app: ASGIApp,
        routes: Sequence[BaseRoute],
        key: str,
        handlers: Mapping[Any, Callable[..., Any]],
    ) -> None:
        self._app = app
        self._routes = [
            (route, _reader(route, key)) for route in routes if isinstance(route, APIRoute)
        ]
        self._answer = ExceptionMiddleware(_call, handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        for route, read in self._routes:
            match, found = route.matches(scope)
            if match is Match.FULL:
                body = (await receive()).get("body", b"")
                receive = giving(body, receive)
                arguments = read(scope, found["path_params"], body)
                if arguments is not None:
                    scope.update(found)
                    scope[_ARGUMENTS] = arguments
                    await self._answer(scope, receive, send)
                    return
                break
        await self._app(scope, receive, send)


async def _call(scope: Scope, receive: Receive, send: Send) -> None:
    response = await scope["endpoint"](**scope[_ARGUMENTS])
    await response(scope, receive, send)


def _reader(route: APIRoute, key: str) -> _Read:
    """What reads the arguments of usual requests, and None of others."""
    hints = get_type_hints(route.endpoint, include_extras=True)
    hints.pop("return", None)
    readers = {name: TypeAdapter[Any](hint).validator for name, hint in hints.items()}
    of_body = {name for name, hint in hints.items() if _is_model(hint)}
    of_path = readers.keys() & route.param_convertors.keys()
    of_query = readers.keys() - of_path - of_body

    def read(scope: Scope, path: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
        headers, text = dict(scope["headers"]), scope["query_string"]
        pairs = QueryParams(text).multi_items() if text else []
        query = dict(pairs)
        if len(headers) < len(scope["headers"]) or len(query) < len(pairs):
            return None
        scheme, _, sent = headers.get(b"authorization", b"").partition(b" ")
        if key and not (scheme == b"Bearer" and is_key(sent, key)):
            return None
        if of_body and headers.get(b"content-type") != b"application/json":
            return None
        try:
            return {
                **{name: readers[name].validate_python(path[name]) for name in of_path},
                **{name: readers[name].validate_python(query) for name in of_query},
                **{name: readers[name].validate_json(body) for name in of_body},
            }
        except ValidationError:
            return None

    return read


def is_key(sent: bytes, key: str) -> bool:
    """Tells whether what was sent is the key; it takes as long for any other."""
    return secrets.compare_digest(sent, key.encode())


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
