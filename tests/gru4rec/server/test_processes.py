"""Servers as processes, and what may happen to them."""

import contextlib
import http.client
import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gru4rec import GRU4Rec
from gru4rec.__main__ import main

CONTEXT = ssl.create_default_context()  # making one takes longer than most requests

Fit = Callable[..., GRU4Rec]
Serve = Callable[..., Any]


@pytest.fixture
def gru(fit: Fit, tmp_path: Path) -> GRU4Rec:
    gru = fit()
    gru.save(tmp_path / "model.pth")
    return gru


def click(address: str, session: str, item: int, event: str | None = None) -> dict[str, Any]:
    body = {"events": [{"item": item, "id": event}]}
    url = f"{address}/sessions/{session}/events"
    answer = httpx2.post(url, json=body, timeout=30, verify=CONTEXT)
    answer.raise_for_status()
    return dict(answer.json())


def items_of(answer: dict[str, Any]) -> list[Any]:
    return [row["item"] for row in answer["items"]]


def test_two_workers_on_one_redis_answer_as_one(
    gru: GRU4Rec, serve: Serve, redis_server: Any
) -> None:
    server = serve("--workers", "2", "--store", redis_server.address)
    sessions = {f"s{n}": [n, n + 1, n + 2, n] for n in range(12)}

    def play(session: str) -> Any:
        for item in sessions[session]:
            answer = click(server.address, session, item)  # each on a connection of its own
        return answer

    with ThreadPoolExecutor(6) as pool:
        answers = dict(zip(sessions, pool.map(play, sessions), strict=True))
    best = gru.recommend(sessions)
    for session, answer in answers.items():
        assert items_of(answer) == best["item"][best["session"] == session].tolist()

    # clicks of one session at once: in some order, and none is lost
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda item: click(server.address, "all", item), range(24)))
    url = f"{server.address}/sessions/all/recommendations?k=30&exclude_seen=true"
    assert sorted(items_of(httpx2.get(url).json())) == list(range(24, 30))

    # the numbers of both; a worker writes its own when it has answered
    metrics = httpx2.get(f"{server.address}/metrics").text
    assert 'gru4rec_clicks_total{kind="known"} 72.0' in metrics
    started = {line.split()[3] for line in server.log.splitlines() if "server process" in line}
    assert len(started) == 2, server.log


def test_no_acknowledged_click_is_lost_when_the_server_is_killed(
    gru: GRU4Rec, serve: Serve, redis_server: Any, wait_for: Callable[..., Any]
) -> None:
    server = serve("--store", redis_server.address)
    acknowledged: dict[str, list[int]] = {f"s{n}": [] for n in range(4)}

    def play(session: str) -> None:
        for n in range(10_000):
            try:
                click(server.address, session, n % 30, event=str(n))
            except httpx2.HTTPError:
                return
            acknowledged[session].append(n % 30)

    threads = [threading.Thread(target=play, args=[session]) for session in acknowledged]
    for thread in threads:
        thread.start()
    wait_for(lambda: min(map(len, acknowledged.values())) > 5)
    server.kill()
    for thread in threads:
        thread.join()
    server.start()

    for session, items in acknowledged.items():
        # the client does not know of the last one, and sends it again
        n = len(items)
        found = items_of(click(server.address, session, n % 30, event=str(n)))
        assert found == gru.recommend([[*items, n % 30]])["item"].tolist()


def test_redis_away_is_503_until_it_is_back(gru: GRU4Rec, serve: Serve, redis_server: Any) -> None:
    server = serve("--store", redis_server.address)
    click(server.address, "anna", 3)

    def status(method: str, path: str, **options: Any) -> Any:
        return httpx2.request(method, server.address + path, timeout=30, **options)

    body = {"events": [{"item": 4}]}
    for leave, come_back in (
        (redis_server.end, redis_server.start),
        (redis_server.freeze, redis_server.thaw),
    ):
        leave()
        for answer in (
            status("POST", "/sessions/anna/events", json=body),
            status("GET", "/sessions/anna/recommendations"),
            status("DELETE", "/sessions/anna"),
            status("GET", "/ready"),
        ):
            assert answer.status_code == 503
            assert "the store of sessions does not answer, try again" in answer.json()["detail"]
            assert answer.headers["Retry-After"] == "1"
        assert status("GET", "/health").status_code == 200
        assert status("POST", "/recommend", json={"sessions": [[3]]}).status_code == 200
        come_back()
        assert status("GET", "/ready").status_code == 200
    # the frozen Redis may have got the delete
    assert click(server.address, "anna", 4)["known"] == 1
    assert "gru4rec_store_errors_total 8.0" in status("GET", "/metrics").text


@pytest.fixture
def server(gru: GRU4Rec, serve: Serve) -> Iterator[Any]:
    started = serve("--max-body", "20000")
    yield started
    assert click(started.address, "after", 3)["known"] == 1
    assert "Traceback" not in started.log


def test_a_body_of_100_mb_is_refused_unread(server: Any) -> None:
    for length in ({"Content-Length": str(100_000_000)}, {"Transfer-Encoding": "chunked"}):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/recommend")
        connection.putheader("Content-Type", "application/json")
        for name, value in length.items():
            connection.putheader(name, value)
        connection.endheaders()
        part = b" " * 100_000
        sent = 0
        try:
            while sent < 100_000_000:
                chunked = "Transfer-Encoding" in length
                connection.send(b"%x\r\n%s\r\n" % (len(part), part) if chunked else part)
                sent += len(part)
        except OSError:
            pass  # it has hung up
        assert sent < 50_000_000
        connection.close()
    # a client that reads before it sends gets the reason
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    connection.request("POST", "/recommend", headers={"Content-Length": "100000000"})
    answer = connection.getresponse()
    assert answer.status == 413
    assert json.load(answer) == {
        "detail": "the body has more than 20000 bytes, the most that is taken"
    }
    connection.close()


def test_slow_clients_keep_nobody_waiting(server: Any) -> None:
    slow = []
    for _ in range(200):
        connection = socket.create_connection(("127.0.0.1", server.port))
        connection.sendall(b"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{")
        slow.append(connection)
    for _ in range(3):
        assert click(server.address, "anna", 3)["known"] == 1
    for connection in slow:
        connection.close()


def test_many_open_connections_keep_nobody_waiting(gru: GRU4Rec, serve: Serve) -> None:
    # more than the process may open as it is started
    server = serve(open_files=150)
    with contextlib.ExitStack() as opened:
        for _ in range(300):
            silent = socket.create_connection(("127.0.0.1", server.port), timeout=30)
            opened.enter_context(contextlib.closing(silent))
        assert click(server.address, "anna", 3)["known"] == 1
    assert "Traceback" not in server.log


def test_markup_in_ids_is_data(server: Any) -> None:
    for markup in ("<script>alert(1)<script>", "a%22%3E%00%ff%F0", "%2e%2e"):
        assert click(server.address, markup, 3)["known"] == 1
        refused = httpx2.get(f"{server.address}/items/{markup}/similar", verify=CONTEXT)
        assert refused.status_code == 422
        assert refused.headers["Content-Type"] == "application/json"
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("n_workers", [1, 2])
def test_sigterm_answers_what_has_begun(
    gru: GRU4Rec, serve: Serve, request: pytest.FixtureRequest, n_workers: int
) -> None:
    options = []
    if n_workers > 1:
        options = ["--workers", "2", "--store", request.getfixturevalue("redis_server").address]
    server = serve(*options)
    body = json.dumps({"sessions": [[3, 4]]}).encode()
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
    head = f"POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    connection.sendall(head.encode() + b"Content-Type: application/json\r\n\r\n" + body[:5])
    time.sleep(0.3)
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    assert server.process.poll() is None
    connection.sendall(body[5:])
    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    connection.close()
    assert server.process.wait(timeout=30) in {0, -signal.SIGTERM}
    assert "Traceback" not in server.log


def test_a_newer_file_is_served_by_all_workers(
    gru: GRU4Rec,
    fit: Fit,
    serve: Serve,
    redis_server: Any,
    tmp_path: Path,
    wait_for: Callable[..., Any],
) -> None:
    options = ["--workers", "2", "--store", redis_server.address, "--reload-seconds", "0.2"]
    server = serve(*options)
    newer = fit(seed=5)
    newer.save(tmp_path / "model.pth")

    def all_have_it() -> bool:
        assert click(server.address, "anna", 3)["known"] == 1
        return bool(server.log.count(f"is served: {newer.digest}") == 2)

    wait_for(all_have_it)
    assert click(server.address, "anna", 3)["model"] == newer.digest


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.pth"], "nowhere.pth cannot be read"),
        (["model.pth", "--workers", "2"], "2 workers do not share sessions in memory"),
        (["model.pth", "--shortlist", "stock.txt"], "a shortlist is given as name=file"),
        (["model.pth", "--max-k", "0"], "max_k: Input should be greater"),
        (["model.pth", "--store", "mongodb://x"], "no store of sessions 'mongodb'"),
    ],
)
def test_a_mistake_of_the_command_is_one_line(
    gru: GRU4Rec,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["serve", *arguments]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
