"""Routes that read usual requests themselves: FastAPI takes longer for it than a small model.

What is unusual in any way is read by FastAPI, and so is what will be refused: there is one set of
rules and of messages.
"""

import secrets
from collections.abc import Callable, Coroutine
from typing import Any, get_type_hints

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

_Handler = Callable[[Request], Coroutine[Any, Any, Response]]


def quick_route(key: str) -> type[APIRoute]:
    """Returns the class of routes whose functions take parts of the path, a query and a body.

    Query and body are a model each; of other functions FastAPI reads all requests. A usual request
    passes no dependencies of FastAPI.

    Args:
        key: What FastAPI is told to ask for as the bearer token; empty: nothing.
    """

    class QuickRoute(APIRoute):
        def get_route_handler(self) -> _Handler:
            thorough, read = super().get_route_handler(), _reader(self, key)

            async def handle(request: Request) -> Response:
                arguments = await read(request)
                if arguments is None:
                    return await thorough(request)
                answer: Response = await self.endpoint(**arguments)
                return answer

            return handle

    return QuickRoute


def _reader(
    route: APIRoute, key: str
) -> Callable[[Request], Coroutine[Any, Any, dict[str, Any] | None]]:
    """What reads the arguments of usual requests, and None of others."""
    hints = get_type_hints(route.endpoint, include_extras=True)
    hints.pop("return", None)
    readers = {name: TypeAdapter[Any](hint) for name, hint in hints.items()}
    body = {name for name, hint in hints.items() if _is_model(hint)}
    path = readers.keys() & route.param_convertors.keys()
    query = readers.keys() - path - body

    async def read(request: Request) -> dict[str, Any] | None:
        headers, asked = request.headers, request.query_params
        scheme, _, sent = headers.get("authorization", "").partition(" ")
        if key and not (scheme == "Bearer" and is_key(sent, key)):
            return None
        is_json = headers.get("content-type") == "application/json"
        if len(asked.multi_items()) > len(asked) or (body and not is_json):
            return None
        try:
            return {
                **{name: readers[name].validate_python(request.path_params[name]) for name in path},
                **{name: readers[name].validate_python(dict(asked)) for name in query},
                **{name: readers[name].validate_json(await request.body()) for name in body},
            }
        except ValidationError:
            return None

    return read


def is_key(sent: str, key: str) -> bool:
    """Tells whether what was sent is the key; it takes as long for any other."""
    # headers are bytes, which Starlette reads as Latin-1
    return secrets.compare_digest(sent.encode("latin-1"), key.encode())


def _is_model(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, BaseModel)
