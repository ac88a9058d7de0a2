"""Clients of a server: each sends a request, waits for its answer, and sends the next."""

import asyncio
import json
import random
import re
import statistics
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import uvloop

_CLICKS_A_SESSION = 6

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
    """
    answers: list[Answer] = []
    ends_at = time.perf_counter() + seconds

    async def client(number: int) -> None:
        generator = random.Random(number)  # noqa: S311
        connection = await asyncio.open_connection("127.0.0.1", port)
        n, due = 0, time.perf_counter()
        while True:
            begun = time.perf_counter()
            if rate:
                due += generator.expovariate(rate / n_clients)
                await asyncio.sleep(max(0, due - begun))
                begun = due if due < begun else time.perf_counter()
            if time.perf_counter() > ends_at:
                break
            parts = await ask(*connection, request(number, n, generator))
            answers.append(Answer(time.perf_counter() - begun, parts))
            n += 1
        connection[1].close()

    async def all_of_them() -> None:
        await asyncio.gather(*map(client, range(n_clients)))

    uvloop.run(all_of_them())
    return answers


async def ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes
) -> dict[str, float]:
    """Sends a request, reads the answer to its end, and returns the times that it tells."""
    writer.write(request)
    headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = re.search(r"content-length: (\d+)", headers)
    if not headers.startswith("http/1.1 200") or not length:
        raise SystemExit(f"the server answered: {headers}")
    await reader.readexactly(int(length[1]))
    return {name: float(ms) / 1000 for name, ms in re.findall(r"(\w+);dur=([\d.]+)", headers)}


def percentiles(answers: Sequence[Answer]) -> list[float]:
    """Returns p50, p95 and p99, in seconds."""
    times = statistics.quantiles((answer.seconds for answer in answers), n=100)
    return [times[n - 1] for n in (50, 95, 99)]
