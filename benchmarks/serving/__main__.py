"""Loads `gru4rec serve` with clients and prints a table: `python -m benchmarks.serving`.

Each client sends a click, waits for the next 20 items and sends the next click, on one connection.
The server tells in `Server-Timing` how long the model took; the rest is what HTTP costs, and
waiting for a core. On a busy machine the processor's time is what to compare: of the server, and of
the library alone, for a click (Linux).
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from benchmarks.cases import make_model

from gru4rec import GRU4Rec

_CLICKS_A_SESSION = 6


class Answer(NamedTuple):
    """Seconds of one request: until the answer, and what the server says of its parts."""

    seconds: float
    model: float
    store: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--items", type=int, default=37_000)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10, help="for each number of clients")
    parser.add_argument("--rate", type=float, help="clicks a second of all clients (default: all)")
    parser.add_argument("server", nargs="*", help="options of gru4rec serve, after --")
    options = parser.parse_args(arguments)
    columns = ["clients", "requests/s", *(f"p{n}" for n in (50, 95, 99))]
    columns += ["model p50", "store p50", "rest p50", "processor, server", "library alone"]
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    with tempfile.TemporaryDirectory() as folder:
        gru = make_model(options.items, options.units, folder)
        with serving(Path(folder) / "model.pth", options.server) as (port, process):
            asyncio.run(load(port, 2, 2.0, options.items, None))  # warm
            for n_clients in options.clients:
                before, begun = processor_time(process), time.perf_counter()
                answers = asyncio.run(
                    load(port, n_clients, options.seconds, options.items, options.rate)
                )
                seconds = time.perf_counter() - begun
                used = (processor_time(process) - before) / len(answers), alone(gru)
                print(row(n_clients, answers, seconds, used), flush=True)


def alone(gru: GRU4Rec) -> float:
    """Seconds of the processor that a click takes without a server."""
    torch.set_num_threads(1)
    live, times = gru.live_session(), []
    for item in range(300):
        begun = time.process_time()
        live.add(item)
        live.recommend()
        times.append(time.process_time() - begun)
    return statistics.median(times)


def processor_time(group: int) -> float:
    """Seconds that a group of processes has had (Linux)."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            fields = file.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, fields[11:13])) if int(fields[2]) == group else 0
    return ticks / os.sysconf("SC_CLK_TCK")


def row(n_clients: int, answers: Sequence[Answer], seconds: float, used: tuple[float, ...]) -> str:
    """A row of the table; times in milliseconds."""
    times = statistics.quantiles((a.seconds for a in answers), n=100)
    parts = (
        statistics.median(a.model for a in answers),
        statistics.median(a.store for a in answers),
        statistics.median(a.seconds - a.model - a.store for a in answers),
    )
    cells = [f"{1000 * x:.2f} ms" for x in (times[49], times[94], times[98], *parts, *used)]
    return f"| {n_clients} | {len(answers) / seconds:.0f} | {' | '.join(cells)} |"


async def load(
    port: int, n_clients: int, seconds: float, n_items: int, rate: float | None
) -> list[Answer]:
    """Lets clients click for some time and returns what they got."""
    answers: list[Answer] = []
    ends_at = time.perf_counter() + seconds

    async def client(number: int) -> None:
        generator = random.Random(number)  # noqa: S311
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        n = 0
        while time.perf_counter() < ends_at:
            if rate:
                await asyncio.sleep(generator.expovariate(rate / n_clients))
            session = f"{number}-{n // _CLICKS_A_SESSION}"
            answers.append(await click(reader, writer, session, generator.randrange(n_items)))
            n += 1
        writer.close()

    await asyncio.gather(*map(client, range(n_clients)))
    return answers


async def click(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, session: str, item: int
) -> Answer:
    """Sends one click and reads the answer to its end."""
    body = json.dumps({"events": [{"item": item}]})
    head = f"POST /sessions/{session}/events HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    begun = time.perf_counter()
    writer.write((head + body).encode())
    headers = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = re.search(r"content-length: (\d+)", headers)
    if not headers.startswith("http/1.1 200") or not length:
        raise SystemExit(f"the server answered: {headers}")
    await reader.readexactly(int(length[1]))
    seconds = time.perf_counter() - begun
    parts = {name: float(ms) / 1000 for name, ms in re.findall(r"(\w+);dur=([\d.]+)", headers)}
    return Answer(seconds, parts["model"], parts["store"])


@contextlib.contextmanager
def serving(model: Path, options: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Starts a server and gives its port and the group of its processes."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "gru4rec", "serve", str(model), "--port", str(port), *options]
    with (model.parent / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        while True:
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            if process.poll() is not None:
                raise SystemExit((model.parent / "log").read_text())
            time.sleep(0.1)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
