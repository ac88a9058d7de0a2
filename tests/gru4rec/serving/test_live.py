"""What a live session has come to is data, from which it goes on anywhere."""

import base64
import copy
import json
import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import DataError, GRU4Rec
from gru4rec.compute import using
from gru4rec.data.vocabulary import Vocabulary


def fitted(as_text: bool = False, **options: Any) -> GRU4Rec:
    rng = np.random.default_rng(0)
    log = {"SessionId": np.arange(240) // 4, "ItemId": rng.permutation(240) % 30}
    events = pd.DataFrame({**log, "Time": np.arange(240)})
    if as_text:
        events["ItemId"] = "item " + events["ItemId"].astype(str)
    options = {"layers": [6, 4], "n_sample": 8, "n_epochs": 1, "device": "cpu", **options}
    return GRU4Rec(**options).fit(events)


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "text"])
def gru(request: pytest.FixtureRequest) -> GRU4Rec:
    return fitted(request.param)


def clicks(gru: GRU4Rec) -> list[Any]:
    stranger = "ein Fremder ✓" if gru.vocabulary.holds_text else -5
    return [*gru.vocabulary.ids[[3, 1, 4]].tolist(), stranger, gru.vocabulary.ids.tolist()[9]]


def test_a_session_goes_on_bit_for_bit_from_its_state(gru: GRU4Rec) -> None:
    items = clicks(gru)
    whole, begun = gru.live_session("anna"), gru.live_session("anna")
    for item in items:
        whole.add(item)
    for item in items[:3]:
        begun.add(item)
    state = json.loads(json.dumps(begun.state()))
    begun.add(items[0])  # the state is a value of its own

    going_on = gru.live_session("anna", state)
    assert [going_on.add(item) for item in items[3:]] == [False, True]

    assert going_on.state() == whole.state()
    assert going_on.state()["items"] == items
    for exclude_seen in (False, True):
        pd.testing.assert_frame_equal(
            going_on.recommend(5, exclude_seen),
            whole.recommend(5, exclude_seen),
            check_exact=True,
        )
    assert not set(going_on.recommend(30, True)["item"]) & set(items)


def test_a_state_is_a_few_hundred_bytes_a_hundred_units() -> None:
    live = fitted(layers=[100]).live_session()
    live.add(3)
    assert len(json.dumps(live.state())) < 700  # 100 floats are 533 characters of base64


def test_the_state_of_another_model_is_made_anew_from_its_items(gru: GRU4Rec) -> None:
    other = fitted(gru.vocabulary.holds_text, layers=[5], seed=3)
    live, expected = other.live_session(), gru.live_session()
    for item in clicks(gru):
        live.add(item)
        expected.add(item)
    assert gru.live_session(state=live.state()).state() == expected.state()


def test_items_that_become_known_count_then(gru: GRU4Rec) -> None:
    first, *_, last = clicks(gru)
    stranger = clicks(gru)[3]
    live = gru.live_session()
    for item in (first, stranger, last):
        live.add(item)
    more = pd.DataFrame({"SessionId": [1, 1], "ItemId": [first, stranger], "Time": [1, 2]})
    larger = copy.deepcopy(gru).fit(more)

    restored = larger.live_session(state=live.state())
    best = larger.recommend([[first, stranger, last]], k=31)
    pd.testing.assert_frame_equal(restored.recommend(31), best, rtol=0, atol=1e-5)
    assert stranger not in set(restored.recommend(31, exclude_seen=True)["item"])


def test_ids_of_numpy_and_whole_floats_become_plain() -> None:
    live = fitted().live_session()
    for item in (np.int64(3), 4.0, np.int16(99)):
        live.add(item)
    assert json.dumps(live.state()["items"]) == "[3, 4, 99]"


def test_what_cannot_be_added_is_not_in_the_state() -> None:
    live = fitted().live_session()
    for item in ("3", 2**63, None, 1.5):
        with pytest.raises(DataError):
            live.add(item)
    assert live.state() == fitted().live_session().state()


def test_a_live_session_is_not_pickled_with_its_model(gru: GRU4Rec) -> None:
    live = gru.live_session()
    for take in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=r"keep what state\(\) returns"):
            take(live)


_NOT_A_NUMBER = base64.b64encode(np.full(6, np.nan, "<f4").tobytes()).decode()


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("state", "give what state"),
        ({"hidden": []}, "give what state"),
        ({"items": "abc"}, "give what state"),
        ({"hidden": ["é", "é"]}, "no base64"),
        ({"hidden": [3, None]}, "no base64"),
        ({"hidden": ["AAA"]}, "no base64"),
        ({"hidden": ["AAAAAA=="]}, r"has \[1\] finite units by layer; .* has \[6, 4\]"),
        ({"hidden": [_NOT_A_NUMBER, "A" * 22 + "=="]}, r"has \[6, 4\] finite"),
    ],
)
def test_what_is_no_state_is_refused(state: Any, message: str) -> None:
    gru = fitted()
    if isinstance(state, dict) and len(state) == 1 and state != {"hidden": []}:
        state = {**gru.live_session().state(), **state}
    with pytest.raises(DataError, match=message):
        gru.live_session(state=state)


def test_a_state_of_ids_of_another_kind_is_refused() -> None:
    live = fitted(as_text=True).live_session()
    live.add("item 3")
    with pytest.raises(DataError, match="knows its items by integers, but text"):
        fitted().live_session(state=live.state())


def test_the_digest_is_of_weights_and_items(tmp_path: Any) -> None:
    gru = fitted(n_epochs=2)
    digest = gru.digest
    assert len(digest) == 32
    assert digest == fitted(n_epochs=2).digest
    gru.save(tmp_path / "model.pth", with_optimizer=False)
    assert GRU4Rec.load(tmp_path / "model.pth", device="cpu").digest == digest
    assert fitted(as_text=True, n_epochs=2).digest != digest

    seen = []
    more = pd.DataFrame({"SessionId": [1, 1], "ItemId": [3, 4], "Time": [1, 2]})
    gru.fit(more, on_epoch=lambda _: seen.append(gru.digest))
    assert len({digest, *seen}) == 3
    assert gru.digest == seen[-1]


def test_with_a_compact_copy_answers_are_the_same_bit_for_bit() -> None:
    gru = fitted(layers=[6])
    rng = np.random.default_rng(2)
    # a catalogue that is large enough for few of its items to be candidates
    tables = gru.network.tables
    tables["output"] = torch.from_numpy(np.float32(rng.standard_normal((9000, 6))))
    tables["bias"] = torch.from_numpy(np.float32(rng.standard_normal(9000)))
    gru._vocabulary = Vocabulary.from_items(np.arange(9000))

    def answers() -> list[pd.DataFrame]:
        live = gru.live_session()
        shortlist = gru.shortlist(range(5, 9000, 3))
        frames = [live.recommend(3)]
        for item in (3, 8000, 5):
            live.add(item)
            frames += [live.recommend(7), live.recommend(7, exclude_seen=True)]
            frames.append(live.recommend(7, candidates=shortlist))
        frames.append(live.recommend(2000))  # more than the copy tells
        return [*frames, gru.recommend([[3, 8000]], k=7), gru.recommend([[3], [5]], k=7)]

    expected = answers()
    compact = gru.add_compact_copy().network.compact
    assert compact is not None
    assert compact.candidates(torch.ones(1, 6), 7) is not None
    for frame, same in zip(answers(), expected, strict=True):
        pd.testing.assert_frame_equal(frame, same, check_exact=True)


def test_training_drops_the_compact_copy() -> None:
    gru = fitted().add_compact_copy()
    more = pd.DataFrame({"SessionId": [1, 1], "ItemId": [3, 4], "Time": [1, 2]})
    seen = []

    def look(_: object) -> None:
        seen.append(gru.network.compact)
        gru.add_compact_copy()

    class Looking:
        def sample(self) -> torch.Tensor:
            seen.append(gru.network.compact)
            return torch.zeros(gru.config.n_sample, dtype=torch.int64)

    gru.fit(more, on_epoch=look)
    assert seen == [None]
    assert gru.network.compact is None

    seen.clear()
    longer = pd.DataFrame({"SessionId": 1, "ItemId": range(9), "Time": range(9)})
    copy = gru.add_compact_copy().network.compact
    gru.fit(longer, sampler=Looking())
    assert seen == [copy, *[None] * 7]  # it is asked before the first change


def test_a_training_that_is_refused_leaves_the_compact_copy() -> None:
    gru = fitted().add_compact_copy()
    copy = gru.network.compact
    with pytest.raises(DataError, match="nothing to train on"):
        gru.fit(pd.DataFrame({"SessionId": [1], "ItemId": [3], "Time": [1]}))
    assert gru.network.compact is copy is not None


def test_an_engine_that_gains_nothing_says_so(caplog: pytest.LogCaptureFixture) -> None:
    gru = fitted()
    with using("plain"):
        assert gru.add_compact_copy().network.compact is None
    assert caplog.messages[-1] == "A compact copy gains nothing on cpu: none was made"
