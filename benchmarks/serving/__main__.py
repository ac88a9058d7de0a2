"""Loads `gru4rec serve` with clients and prints a table: `python -m benchmarks.serving CASE`.

    load         clients that send the next click as soon as they have the next 20 items
    share        the same, then at random times, at a share of what was answered a second
    memory       what 100,000 sessions take, and what is left when their time is over
    connections  10,000 connections on which nothing comes, beside a client that clicks
    rivals       LitServe with the same model, beside POST /recommend

What comes after -- are options of the server. The server says in `Server-Timing` how long model,
queue and store took; the rest is what HTTP costs, and waiting for a core. On a busy machine the
processor's time is what to compare: of the server, and of the library alone, for a click (Linux).
"""

import argparse
import contextlib
import importlib.util
import random
import resource
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.cases import make_model
from benchmarks.serving.clients import Answer, Request, clicks, load, percentiles, post
from benchmarks.serving.processes import Running, running, serving
from gru4rec import GRU4Rec

_COLUMNS = ["requests/s", "p50", "p95", "p99", "model p50", "queue p50", "store p50", "rest p50"]
_COLUMNS += ["processor a request"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures one case and prints a table."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    cut = given.index("--") if "--" in given else len(given)
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("case", nargs="?", default="load", choices=CASES)
    parser.add_argument("--items", type=int, default=37_000)
    parser.add_argument("--units", type=int, default=100)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=10, help="of each row")
    parser.add_argument("--share", type=float, default=0.7)
    parser.add_argument("--rates", type=float, nargs="+", help="so many a second instead")
    parser.add_argument("--sessions", type=int, default=100_000)
    parser.add_argument("--connections", type=int, default=10_000)
    options = parser.parse_args(given[:cut])
    options.server = given[cut + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        gru = make_model(options.items, options.units, folder)
        CASES[options.case](options, Path(folder) / "model.pth", gru)


def load_closed(options: argparse.Namespace, model: Path, gru: GRU4Rec) -> None:
    """One row a number of clients."""
    print(f"the library alone, without a server: {1000 * alone(gru):.2f} ms of a processor a click")
    head("clients", *_COLUMNS)
    with serving(model, options.server) as server:
        warm(server, clicks(options.items))
        for n in options.clients:
            measure(server, clicks(options.items), n, options.seconds, label=str(n))


def load_share(options: argparse.Namespace, model: Path, _: GRU4Rec) -> None:
    """What the most clients get at most, and at a share of that."""
    n = max(options.clients)
    head(f"{n} clients", *_COLUMNS)
    with serving(model, options.server) as server:
        warm(server, clicks(options.items))
        label = "as fast as they can"
        answers = measure(server, clicks(options.items), n, options.seconds, label)
        most = len(answers) / options.seconds
        for rate in options.rates or [options.share * most]:
            label = f"{rate / most:.0%} of that: {rate:.0f}/s"
            measure(server, clicks(options.items), n, options.seconds, label, rate)


def memory(options: argparse.Namespace, model: Path, _: GRU4Rec) -> None:
    """The server's memory before and after sessions of three clicks, kept for a time."""
    head("sessions are kept", "before", f"after {options.sessions:,} sessions")

    def three(client: int, n: int, generator: random.Random) -> bytes:
        events = [{"item": generator.randrange(options.items)} for _ in range(3)]
        return post(f"/sessions/{client}-{n}/events?k=1", {"events": events})

    for minutes in (60, 0.1):
        kept = ["--session-minutes", str(minutes), "--max-sessions", str(options.sessions)]
        with serving(model, [*kept, *options.server]) as server:
            warm(server, clicks(options.items))
            before, n = server.memory(), 0
            while n < options.sessions:
                n += len(load(server.port, renamed(three, n), 8, 2.0))
            print(f"| {minutes} min | {before:.0f} MB | {server.memory():.0f} MB |", flush=True)


def renamed(request: Request, begin: int) -> Request:
    """The same requests under other numbers."""
    return lambda client, n, generator: request(client, begin + n, generator)


def connections(options: argparse.Namespace, model: Path, _: GRU4Rec) -> None:
    """A client's times without and with many open connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < options.connections + 100:
        raise SystemExit(f"this process may open {hard} files: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    head("open connections", *_COLUMNS)
    with serving(model, options.server) as server, contextlib.ExitStack() as opened:
        warm(server, clicks(options.items))
        measure(server, clicks(options.items), 1, options.seconds, label="0")
        for number in range(options.connections):
            silent = socket.create_connection(("127.0.0.1", server.port), timeout=60)
            opened.enter_context(contextlib.closing(silent))
            if number % 2:  # half of them begin to say something
                silent.sendall(b"POST /recommend HTTP/1.1\r\nContent-Le")
        measure(server, clicks(options.items), 1, options.seconds, f"{options.connections:,}")


def rivals(options: argparse.Namespace, model: Path, _: GRU4Rec) -> None:
    """The same work of ours and of LitServe, in turns: the next items of whole sessions."""
    if not importlib.util.find_spec("litserve"):
        raise SystemExit("pip install litserve, best in an environment of its own")

    def body(generator: random.Random) -> list[int]:
        return [generator.randrange(options.items) for _ in range(generator.randint(1, 6))]

    def ours(_client: int, _n: int, generator: random.Random) -> bytes:
        return post("/recommend", {"sessions": [body(generator)]})

    def theirs(_client: int, _n: int, generator: random.Random) -> bytes:
        return post("/predict", {"items": body(generator)})

    command = [sys.executable, "-m", "benchmarks.serving.litserve_server", str(model), "{port}"]
    head("server, clients", *_COLUMNS)
    with serving(model, options.server) as own, running(command) as rival:
        warm(own, ours)
        warm(rival, theirs)
        for n in options.clients:
            measure(own, ours, n, options.seconds, label=f"gru4rec serve, {n}")
            measure(rival, theirs, n, options.seconds, label=f"LitServe, {n}")


CASES = {
    "load": load_closed,
    "share": load_share,
    "memory": memory,
    "connections": connections,
    "rivals": rivals,
}


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


def warm(server: Running, request: Request) -> None:
    """Lets two clients ask, and forgets it."""
    load(server.port, request, 2, 1.0)


def measure(
    server: Running,
    request: Request,
    n_clients: int,
    seconds: float,
    label: str,
    rate: float | None = None,
) -> list[Answer]:
    """Loads a server, prints a row of the table, and returns the answers."""
    before = server.processor_time()
    answers = load(server.port, request, n_clients, seconds, rate)
    used = (server.processor_time() - before) / len(answers)
    parts = [
        statistics.median(answer.parts.get(part, 0.0) for answer in answers)
        for part in ("model", "queue", "store")
    ]
    parts.append(statistics.median(answer.rest for answer in answers))
    cells = [f"{1000 * x:.2f} ms" for x in (*percentiles(answers), *parts, used)]
    print(f"| {label} | {len(answers) / seconds:.0f} | {' | '.join(cells)} |", flush=True)
    return answers


def head(*columns: str) -> None:
    """Prints the head of a table."""
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}", flush=True)


if __name__ == "__main__":
    main()
