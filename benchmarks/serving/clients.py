"""Clients of a server: each sends a request, waits for its answer, and sends the next."""

import asyncio
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, cast

import uvloop

_CLICKS_A_SESSION = 6
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)

# of client, number of its request and randomness
Request = Callable[[int, int, random.Random], bytes]


class Answer(NamedTuple):
    """One answer.

    Attributes:
        seconds: Until it was there.
        parts: What the server says of its parts in `Server-Timing`.
    """

    seconds: float
    parts: dict[str, float]

    @property
    def rest(self) -> float:
        """What HTTP costs, and waiting for a core."""
        return self.seconds - sum(self.parts.values())


def post(path: str, content: object) -> bytes:
    """Makes a request."""
    body = json.dumps(content)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def clicks(n_items: int) -> Request:
    """Each client clicks on, in sessions of six clicks."""

    def click(client: int, n: int, generator: random.Random) -> bytes:
        session = f"{client}-{n // _CLICKS_A_SESSION}"
        events = {"events": [{"item": generator.randrange(n_items)}]}
        return post(f"/sessions/{session}/events", events)

    return click


def load(
    port: int, request: Request, n_clients: int, seconds: float, rate: float | None = None
) -> list[Answer]:
    """Lets clients ask for some time.

    Args:
        port: Of the server.
        request: Makes requests.
        n_clients: How many clients there are, each with one connection.
        seconds: How long.
        rate: Requests a second of all clients, at random times; None: each sends the next as soon
            as it is answered. A request whose time has come while its client still waits is late,
            and its time counts from then.

    Returns:
        What they got.

    Raises:
        SystemExit: An answer is not 200, or the server ends a connection.
    """
    ends_at = time.perf_counter() + seconds

    async def all_of_them() -> list[_Client]:
        loop = asyncio.get_running_loop()
        clients = [
            _Client(n, request, ends_at, rate / n_clients if rate else None)
            for n in range(n_clients)
        ]
        for client in clients:
            await loop.create_connection(lambda client=client: client, "127.0.0.1", port)
        await asyncio.gather(*(client.ended for client in clients))
        return clients

    clients = uvloop.run(all_of_them())
    return [Answer(seconds, _parts(head)) for client in clients for seconds, head in client.answers]


class _Client(asyncio.Protocol):
    """Asks, and reads answers with as little as it can: it takes of the server's cores."""

    def __init__(self, number: int, request: Request, ends_at: float, rate: float | None) -> None:
        self._number, self._request, self._ends_at, self._rate = number, request, ends_at, rate
        self._generator = random.Random(number)  # noqa: S311
        self._n, self._received = 0, b""
        self._due = self._begun = time.perf_counter()
        self.answers: list[tuple[float, bytes]] = []
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._wait()

    def _wait(self) -> None:
        now = time.perf_counter()
        if self._rate:
            self._due += self._generator.expovariate(self._rate)
            if self._due > now:
                asyncio.get_running_loop().call_later(self._due - now, self._ask, None)
                return
        self._ask(self._due if self._rate else now)

    def _ask(self, begun: float | None) -> None:
        now = time.perf_counter()
        self._begun = begun or now
        if now > self._ends_at:
            self.ended.set_result(None)
            self._transport.close()
            return
        self._transport.write(self._request(self._number, self._n, self._generator))
        self._n += 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, is_whole, body = self._received.partition(b"\r\n\r\n")
        if not is_whole:
            return
        length = _LENGTH.search(head)
        if not head.startswith(b"HTTP/1.1 200") or not length:
            self.ended.set_exception(SystemExit(f"the server answered: {head.decode()}"))
            self._transport.close()
        elif len(body) >= int(length[1]):
            self.answers.append((time.perf_counter() - self._begun, head))
            self._received = b""
            self._wait()

    def connection_lost(self, _: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(SystemExit("the server ended a connection"))


def _parts(head: bytes) -> dict[str, float]:
    return {name: float(ms) / 1000 for name, ms in re.findall(r"(\w+);dur=([\d.]+)", head.decode())}


def percentiles(answers: Sequence[Answer]) -> list[float]:
    """Returns p50, p95 and p99, in seconds."""
    times = statistics.quantiles((answer.seconds for answer in answers), n=100)
    return [times[n - 1] for n in (50, 95, 99)]
