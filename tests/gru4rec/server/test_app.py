"""Every endpoint answers as the library does; mistakes of the user are one clear message."""

import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gru4rec import GRU4Rec
from gru4rec.server.app import create_app
from gru4rec.server.options import ServerOptions

Start = Callable[..., TestClient]


@pytest.fixture(scope="module", params=["integers", "text"])
def gru(request: pytest.FixtureRequest, fit: Callable[..., GRU4Rec]) -> GRU4Rec:
    return fit(as_text=request.param == "text")


@pytest.fixture
def start(gru: GRU4Rec, tmp_path: Path) -> Iterator[Start]:
    """Starts servers of the model, with other options."""
    gru.save(tmp_path / "model.pth")
    clients = []

    def started(**options: Any) -> TestClient:
        options = {"model": tmp_path / "model.pth", "device": "cpu", **options}
        client = TestClient(create_app(ServerOptions(**options)), raise_server_exceptions=False)
        clients.append(client.__enter__())
        return client

    yield started
    for client in clients:
        client.__exit__()


def clicks(gru: GRU4Rec) -> list[Any]:
    return gru.vocabulary.ids[[3, 1, 4, 1]].tolist()


def stranger(gru: GRU4Rec) -> Any:
    return "<script>alert('é')</script>" if gru.vocabulary.holds_text else 2**60


def events(*items: Any) -> dict[str, Any]:
    return {"events": [{"item": item} for item in items]}


def ids(answer: dict[str, Any]) -> list[Any]:
    return [row["item"] for row in answer["items"]]


def test_clicks_are_answered_as_by_the_library(start: Start, gru: GRU4Rec) -> None:
    client, items = start(), clicks(gru)
    for n, item in enumerate(items, start=1):
        answer = client.post("/sessions/anna/events?k=5", json=events(item))
        assert answer.status_code == 200
        best = gru.recommend([items[:n]], k=5)
        found = answer.json()
        assert found.keys() == {"session", "model", "items", "known", "unknown", "repeated"}
        assert found["model"] == gru.digest
        assert ids(found) == best["item"].tolist()
        scores = [row["score"] for row in found["items"]]
        assert scores == pytest.approx(best["score"].tolist(), abs=1e-5)

    at_once = client.post("/sessions/ben/events?k=5", json=events(*items)).json()
    assert at_once["known"] == len(items)
    read = client.get("/sessions/anna/recommendations?k=5").json()
    assert read["items"] == at_once["items"]
    assert "model;dur=" in answer.headers["Server-Timing"]

    seen = client.get("/sessions/anna/recommendations?k=30&exclude_seen=true").json()
    assert set(ids(seen)) == set(gru.vocabulary.ids.tolist()) - set(items)


def test_an_event_id_counts_once(start: Start, gru: GRU4Rec) -> None:
    client, (first, second, *_) = start(), clicks(gru)
    body = {"events": [{"item": first, "id": "1"}, {"item": second, "id": "2"}]}
    once = client.post("/sessions/anna/events", json=body).json()
    again = client.post("/sessions/anna/events", json=body).json()
    assert (once["known"], once["repeated"]) == (2, 0)
    assert (again["known"], again["repeated"]) == (0, 2)
    assert again["items"] == once["items"]
    twice = {"events": [{"item": first, "id": "3"}] * 2}
    assert client.post("/sessions/anna/events", json=twice).json()["repeated"] == 1


def test_unknown_items_are_counted_and_answered(start: Start, gru: GRU4Rec) -> None:
    client = start()
    popular = client.get("/sessions/nobody/recommendations").json()
    assert ids(popular) == gru.recommend([[]])["item"].tolist()
    answer = client.post("/sessions/anna/events", json=events(stranger(gru))).json()
    assert (answer["known"], answer["unknown"]) == (0, 1)
    assert answer["items"] == popular["items"]
    many = client.post("/recommend", json={"sessions": [[stranger(gru)], clicks(gru)]}).json()
    assert many["unknown"] == 1
    assert many["sessions"][0] == popular["items"]
    text = client.get("/metrics").text
    assert 'gru4rec_clicks_total{kind="unknown"} 1.0' in text


def test_a_forgotten_session_has_just_begun(start: Start, gru: GRU4Rec) -> None:
    client = start()
    client.post("/sessions/anna/events", json=events(*clicks(gru)))
    for _ in range(2):
        assert client.delete("/sessions/anna").status_code == 204
    assert (
        client.get("/sessions/anna/recommendations").json()["items"]
        == client.get("/sessions/nobody/recommendations").json()["items"]
    )


def test_many_sessions_are_answered_without_being_kept(start: Start, gru: GRU4Rec) -> None:
    sessions = [clicks(gru), [], clicks(gru)[:1]]
    answer = start().post("/recommend?k=3&exclude_seen=true", json={"sessions": sessions}).json()
    best = gru.recommend(sessions, k=3, exclude_seen=True)
    found = [row["item"] for rows in answer["sessions"] for row in rows]
    assert found == best["item"].tolist()
    assert [len(rows) for rows in answer["sessions"]] == [3, 3, 3]


def test_similar_items(start: Start, gru: GRU4Rec) -> None:
    client, item = start(), clicks(gru)[0]
    answer = client.get(f"/items/{item}/similar?k=3").json()
    similar = gru.similar_items(item, k=3)
    assert answer["item"] == item
    assert ids(answer) == similar["item"].tolist()
    assert [row["score"] for row in answer["items"]] == pytest.approx(similar["score"].tolist())
    missing = client.get(f"/items/{stranger(gru)}/similar")
    assert missing.status_code == 404
    assert missing.json()["detail"].startswith("the model does not know the item")


def test_shortlists_and_titles_come_from_files(start: Start, gru: GRU4Rec, tmp_path: Path) -> None:
    items = gru.vocabulary.ids[:4].tolist()
    (tmp_path / "stock.txt").write_text("\n".join(map(str, [*items, stranger(gru)])) + "\n\n")
    (tmp_path / "titles.txt").write_text(f"{items[0]}\tBlue <b>shoe</b>\n")
    client = start(shortlists={"stock": tmp_path / "stock.txt"}, titles=tmp_path / "titles.txt")
    answer = client.get("/sessions/anna/recommendations?candidates=stock").json()
    assert set(ids(answer)) == set(items)
    titles = {row["item"]: row.get("title") for row in answer["items"]}
    assert titles == {item: "Blue <b>shoe</b>" if item == items[0] else None for item in items}
    assert client.get("/model").json()["shortlists"] == {"stock": 4}
    refused = client.get("/sessions/anna/recommendations?candidates=stok")
    assert refused.status_code == 404
    assert refused.json()["detail"] == "there is no shortlist 'stok'; there are: stock"


def test_the_model_tells_what_it_is(start: Start, gru: GRU4Rec) -> None:
    answer = start().get("/model").json()
    assert answer["digest"] == gru.digest
    assert (answer["items"], answer["file"]) == (30, "model.pth")
    assert answer["ids"] == ("text" if gru.vocabulary.holds_text else "integers")
    assert answer["configuration"] == gru.config.model_dump()
    assert answer["last_epoch"]["loss"] == gru.history["loss"].iloc[-1]


def test_probes_page_and_description(start: Start) -> None:
    client = start()
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready"}
    assert "default-src 'none'" in client.get("/").headers["Content-Security-Policy"]
    description = client.get("/openapi.json").json()
    assert description["paths"].keys() == {
        "/sessions/{session}/events",
        "/sessions/{session}/recommendations",
        "/sessions/{session}",
        "/recommend",
        "/items/{item}/similar",
        "/model",
        "/health",
        "/ready",
        "/metrics",
    }
    event = description["components"]["schemas"]["Event"]["properties"]
    assert all(part["examples"] for part in event.values())


def test_examples_of_answers_are_like_answers(start: Start, gru: GRU4Rec) -> None:
    client, item = start(), clicks(gru)[0]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    answers = {
        "ClickAnswer": client.post("/sessions/anna/events", json=events(item)),
        "SessionAnswer": client.get("/sessions/anna/recommendations"),
        "ManyAnswers": client.post("/recommend", json={"sessions": [[item]]}),
        "SimilarItems": client.get(f"/items/{item}/similar"),
        "ModelAnswer": client.get("/model"),
    }
    for name, answer in answers.items():
        [example] = schemas[name]["examples"]
        assert {key: type(value) for key, value in answer.json().items() if key != "item"} == {
            key: type(value) for key, value in example.items() if key != "item"
        }
        digest = example["digest" if name == "ModelAnswer" else "model"]
        assert len(digest) == len(gru.digest)


def test_a_key_is_asked_for_where_there_is_one(start: Start, gru: GRU4Rec) -> None:
    client = start(api_key="schlüssel")
    body = {"sessions": [clicks(gru)]}
    for headers in ({}, {"Authorization": "Bearer other"}, {"Authorization": "Basic abc"}):
        for refused in (
            client.post("/recommend", json=body, headers=headers),
            client.get("/metrics", headers=headers),
            client.get("/model", headers=headers),
            client.delete("/sessions/anna", headers=headers),
        ):
            assert refused.status_code == 401
            assert "Authorization: Bearer KEY" in refused.json()["detail"]
    for path in ("/health", "/ready", "/"):
        assert client.get(path).status_code == 200
    right = {"Authorization": "Bearer schlüssel".encode()}
    assert client.post("/recommend", json=body, headers=right).status_code == 200


def test_no_other_site_may_read_answers(start: Start) -> None:
    headers = {"Origin": "https://other.example", "Access-Control-Request-Method": "POST"}
    client = start()
    for answer in (
        client.options("/recommend", headers=headers),
        client.get("/model", headers=headers),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


LIMITS = {"max_k": 20, "max_items": 5, "max_body": 1000}


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/sessions/a/events", b"{", 400, r"body\.1: JSON decode error"),
        ("/sessions/a/events", b"[" * 999, 400, "error parsing the body"),
        ("/sessions/a/events", b"\xff", 400, "error parsing the body"),
        ("/sessions/a/events", b'{"events": [{"item": ' + b"9" * 900 + b"}]}", 422, ""),
        ("/sessions/a/events", b'{"events": [{"item": NaN}]}', 422, "nan is no item id"),
        ("/sessions/a/events", b"", 422, "a JSON object is expected"),
        ("/sessions/a/events", b"[]", 422, "a JSON object is expected"),
        ("/sessions/a/events", {}, 422, r"^body\.events: Field required$"),
        ("/sessions/a/events", {"events": []}, 422, "at least 1 item"),
        ("/sessions/a/events", {"events": [{"item": True}]}, 422, "True is no item id"),
        ("/sessions/a/events", {"events": [{"item": 1.0}]}, 422, "1.0 is no item id"),
        ("/sessions/a/events", {"events": [{"item": None}]}, 422, "None is no item id"),
        ("/sessions/a/events", {"events": [{"itme": 1}]}, 422, r"events\.0\.item: Field required"),
        ("/sessions/a/events", {"events": [{"item": "\ud800"}]}, 422, ""),
        ("/sessions/a/events", {"events": [{"item": 1, "id": ""}]}, 422, "at least 1 character"),
        ("/sessions/a/events?k=0", {"events": [{"item": 1}]}, 422, r"^query\.k: .*greater"),
        ("/sessions/a/events?exclude_sen=1", {"events": [{"item": 1}]}, 422, "^query.exclude_sen"),
        ("/sessions/a/events?k=21", {"events": [{"item": 1}]}, 422, "^k is 21; at most 20 "),
        ("/sessions/a/events?k=x", {"events": [{"item": 1}]}, 422, r"^query\.k: .*integer"),
        ("/sessions/a/events", {"events": [{"item": 1}] * 6}, 422, "^6 items; at most 5 are"),
        ("/sessions/" + "a" * 257 + "/events", {"events": [{"item": 1}]}, 422, "at most 256"),
        ("/recommend", {"sessions": [[1, 2, 3], [4, 5, 6]]}, 422, "^6 items; at most 5 are"),
        ("/recommend", {"sessions": [[]] * 101}, 422, "^101 sessions; at most 100 are taken$"),
        ("/recommend", {"sessions": {"anna": [1]}}, 422, r"^body\.sessions: .*list"),
        ("/recommend", {"sessions": [[[1]]]}, 422, r"^body\.sessions\.0\.0: \[1\] is no item id"),
        ("/recommend", b" " * 1001, 413, "^the body has more than 1000 bytes"),
        ("/nowhere", {}, 404, "^Not Found$"),
        ("/model", {}, 405, "^Method Not Allowed$"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_message(
    start: Start, path: str, body: Any, status: int, message: str
) -> None:
    client = start(**LIMITS)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(path, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"detail"}
    assert re.search(message, answer.json()["detail"]), answer.json()
    assert "\n" not in answer.json()["detail"]


def test_ids_of_the_other_kind_are_refused_and_change_nothing(start: Start, gru: GRU4Rec) -> None:
    client, good = start(), clicks(gru)[0]
    other = 7 if gru.vocabulary.holds_text else "7"
    before = client.get("/sessions/anna/recommendations").json()
    refused = client.post("/sessions/anna/events", json=events(good, other))
    assert refused.status_code == 422
    assert "the model knows its items by" in refused.json()["detail"]
    assert client.get("/sessions/anna/recommendations").json() == before
    assert client.post("/recommend", json={"sessions": [[other]]}).status_code == 422


def test_of_a_long_session_the_last_items_are_kept(start: Start, gru: GRU4Rec) -> None:
    client, items = start(max_items=3), gru.vocabulary.ids.tolist()
    for item in items[:5]:
        client.post("/sessions/anna/events", json=events(item))
    answer = client.get("/sessions/anna/recommendations?k=30&exclude_seen=true").json()
    assert set(ids(answer)) == set(items) - set(items[2:5])
    # the network has read all of them
    whole = dict(gru.recommend([items[:5]], k=30)[["item", "score"]].to_numpy().tolist())
    for row in answer["items"]:
        assert math.isclose(row["score"], whole[row["item"]], abs_tol=1e-5)
