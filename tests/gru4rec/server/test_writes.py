"""An answer is one write, whatever uvicorn makes of it."""

import asyncio
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from gru4rec.server.writes import JoinedWrites


class Written(asyncio.Transport):
    """Notes what is written and when it is closed."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 2)})
        self.events: list[bytes] = []

    def write(self, data: Any) -> None:
        self.events.append(bytes(data))

    def close(self) -> None:
        self.events.append(b"closed")

    def is_closing(self) -> bool:
        return b"closed" in self.events

    def pause_reading(self) -> None:
        """Nothing more is read."""

    def resume_reading(self) -> None:
        """Nothing more is read."""


async def app(scope: Any, _receive: Any, send: Any) -> None:
    headers = [(b"content-length", b"6")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"abc", "more_body": True})
    if scope["path"] == "/late":
        await asyncio.sleep(0.01)
    await send({"type": "http.response.body", "body": b"def"})


@pytest.mark.parametrize(
    ("path", "header", "wanted"),
    [("/", b"", ["abcdef"]), ("/late", b"", ["abc", "def"]), ("/", b"close", ["abcdef", "closed"])],
)
def test_what_is_there_at_once_is_written_at_once(
    path: str, header: bytes, wanted: list[str]
) -> None:
    async def ask() -> list[bytes]:
        config, state = Config(app, http=JoinedWrites, lifespan="off"), ServerState()
        config.load()
        protocol, transport = JoinedWrites(config, state, {}), Written()
        protocol.connection_made(transport)
        protocol.data_received(
            b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: %b\r\n\r\n"
            % (path.encode(), header or b"keep-alive")
        )
        await asyncio.gather(*state.tasks)
        await asyncio.sleep(0)
        events = transport.events.copy()
        protocol.connection_lost(None)
        return events

    events = asyncio.run(ask())
    assert events[0].startswith(b"HTTP/1.1 200 OK\r\n")
    assert [event.rpartition(b"\r\n")[2].decode() for event in events] == wanted


def test_nothing_is_written_when_the_client_has_gone() -> None:
    async def ask() -> list[bytes]:
        config, state = Config(app, http=JoinedWrites, lifespan="off"), ServerState()
        config.load()
        protocol, transport = JoinedWrites(config, state, {}), Written()
        protocol.connection_made(transport)
        protocol.data_received(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
        [task] = state.tasks
        while not task.done():
            await asyncio.sleep(0)
            if protocol.cycle.response_complete:
                transport.close()
        await asyncio.sleep(0)
        return transport.events

    assert asyncio.run(ask()) == [b"closed"]
