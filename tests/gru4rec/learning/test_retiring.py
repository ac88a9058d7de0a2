"""Items that go leave all others as they were."""

import copy
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec import DataError, GRU4Rec, ModelConfig, ModelFileError
from gru4rec.learning.retiring import UNKNOWN_DAY

N_ITEMS = 30
MODES = {
    "shared": {},
    "separate": {"constrained_embedding": False, "embedding": 5},
    "none": {"constrained_embedding": False, "momentum": 0.3},
}
DAY = 86_400


def log_of(first: int = 0, n_items: int = N_ITEMS, day: int = 0) -> pd.DataFrame:
    """Sixty sessions of four events, all items and a few at least, from a day on."""
    rng = np.random.default_rng(n_items + day)
    items = first + rng.permutation(240) % n_items
    times = DAY * day + np.arange(240)
    return pd.DataFrame({"SessionId": np.arange(240) // 4, "ItemId": items, "Time": times})


def fitted(mode: str, as_text: bool = False) -> GRU4Rec:
    log = log_of()
    if as_text:
        log["ItemId"] = "item " + log["ItemId"].astype(str)
    options = {"layers": [6, 4], "n_sample": 8, "n_epochs": 1, "device": "cpu", **MODES[mode]}
    return GRU4Rec(**options).fit(log)


@pytest.fixture(scope="module", params=MODES)
def gru(request: pytest.FixtureRequest) -> GRU4Rec:
    return fitted(request.param)


def file_of(gru: GRU4Rec) -> io.BytesIO:
    stream = io.BytesIO()
    gru.save(stream)
    stream.seek(0)
    return stream


items = st.integers(0, N_ITEMS - 1)
few = settings(max_examples=15)  # for each of the three modes


@few
@given(
    gone=st.sets(items, min_size=1, max_size=N_ITEMS - 1),
    session=st.lists(items, max_size=5),
    k=st.integers(1, N_ITEMS + 1),
    exclude_seen=st.booleans(),
)
def test_a_session_without_retired_items_gets_the_same_scores_to_the_last_bit(
    gru: GRU4Rec, gone: set[int], session: list[int], k: int, exclude_seen: bool
) -> None:
    session = [item for item in session if item not in gone]
    less = copy.deepcopy(gru).retire_items(gone)
    before, after = gru.live_session(), less.live_session()
    for item in session:
        assert before.add(item)
        assert after.add(item)

    whole = gru.recommend([session], N_ITEMS, exclude_seen)
    left = whole[~whole["item"].isin(gone)].head(k).reset_index(drop=True)
    expected = left.assign(rank=range(1, len(left) + 1))
    pd.testing.assert_frame_equal(
        less.recommend([session], k, exclude_seen), expected, check_exact=True
    )
    pd.testing.assert_frame_equal(after.recommend(k, exclude_seen), expected, check_exact=True)
    assert less.live_session(state=before.state()).state() == after.state()


@few
@given(
    gone=st.sets(items, min_size=1, max_size=N_ITEMS - 1),
    sessions=st.lists(st.lists(items, max_size=5), min_size=2, max_size=4),
)
def test_sessions_without_retired_items_get_the_same_scores_but_for_rounding(
    gru: GRU4Rec, gone: set[int], sessions: list[list[int]]
) -> None:
    sessions = [[item for item in session if item not in gone] for session in sessions]

    after = copy.deepcopy(gru).retire_items(gone).recommend(sessions, N_ITEMS)

    before = gru.recommend(sessions, N_ITEMS)
    left = before[~before["item"].isin(gone)]
    keys = ["session", "item"]  # two with nearly equal scores may change places
    pd.testing.assert_series_equal(
        after.set_index(keys)["score"].sort_index(),
        left.set_index(keys)["score"].sort_index(),
        rtol=0,
        atol=1e-6,
    )
    assert (after.groupby("session")["score"].diff().dropna() <= 0).all()


@few
@given(gone=st.sets(items, min_size=1, max_size=N_ITEMS - 1))
def test_all_that_is_of_the_others_stays_and_nothing_of_those_that_go(
    gru: GRU4Rec, gone: set[int]
) -> None:
    less = copy.deepcopy(gru).retire_items(gone)

    before, after = gru._fitted(), less._fitted()
    kept = [place for place, item in enumerate(gru.vocabulary.ids) if item not in gone]
    assert less.vocabulary.ids.tolist() == [gru.vocabulary.ids[place] for place in kept]
    assert less.item_counts.tolist() == gru.item_counts[kept].tolist()
    for old, new in zip(before.tensors(), after.tensors(), strict=True):
        assert old.keys() == new.keys()
        for name, tensor in old.items():
            rows = kept if name in gru.network.tables else slice(None)
            assert torch.equal(tensor[rows], new[name])
    assert less.digest != gru.digest
    assert gru.vocabulary.ids.tolist() != less.vocabulary.ids.tolist()  # only the copy has changed


@few
@given(gone=st.sets(items, min_size=1, max_size=N_ITEMS - 1), session=st.lists(items, min_size=1))
def test_in_a_session_a_retired_item_is_one_that_was_never_known(
    gru: GRU4Rec, gone: set[int], session: list[int]
) -> None:
    less = copy.deepcopy(gru).retire_items(gone)

    known = [item for item in session if item not in gone]

    assert less.recommend([session]).equals(less.recommend([known]))


@pytest.mark.parametrize("as_text", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_the_file_shrinks_and_training_goes_on(mode: str, as_text: bool) -> None:
    gru = fitted(mode, as_text)
    size = len(file_of(gru).getvalue())
    gone = gru.vocabulary.ids[::2].tolist()
    gru.retire_items(gone)
    file = file_of(gru)
    assert len(file.getvalue()) < size
    again = GRU4Rec.load(file, device="cpu")
    assert again.digest == gru.digest
    more = log_of().astype({"ItemId": str}) if as_text else log_of(first=100)
    if as_text:
        more["ItemId"] = "item " + more["ItemId"]

    for model in (gru, again):
        model.fit(more)

    assert again.digest == gru.digest
    n_left = N_ITEMS - len(gone)
    assert len(gru.vocabulary) == n_left + (len(gone) if as_text else N_ITEMS)
    assert gru.item_counts.sum() == 240 + (240 * n_left // N_ITEMS)


def test_items_that_come_later_do_not_begin_as_others_did() -> None:
    gru = fitted("shared")
    still = ModelConfig(**{**gru.config, "learning_rate": 1e-30})
    gru = GRU4Rec.load(file_of(gru), device="cpu", config=still)
    gru.fit(log_of(first=100))
    first = gru.item_vectors(range(100, 130))["vector"].tolist()
    gru.retire_items(range(100, 130))

    gru.fit(log_of(first=200))

    second = gru.item_vectors(range(200, 230))["vector"].tolist()
    assert not any(np.array_equal(a[:-1], b[:-1]) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ([3, 77, 4, 78], "does not know 2 of the 4 items: 77, 78"),
        (range(1000, 1030), "1018, 1019 and 10 more"),
        (range(N_ITEMS), "all 30 items that the model knows"),
        (["3"], "by integers, but text were given"),
        ("3", "a collection of item ids is expected"),
        (3, "a collection of item ids is expected"),
    ],
)
def test_mistakes_are_one_message_and_change_nothing(gru: GRU4Rec, gone: Any, message: str) -> None:
    digest = gru.digest
    with pytest.raises(DataError, match=message):
        gru.retire_items(gone)
    gru._digest = None
    assert gru.digest == digest


def test_no_items_are_nothing_and_a_shortlist_is_made_again() -> None:
    gru = fitted("shared")
    digest, shortlist = gru.digest, gru.shortlist([1, 2, 3])
    assert gru.retire_items([]).digest == digest
    gru.recommend([[1]], candidates=shortlist)
    gru.retire_items([9])
    with pytest.raises(DataError, match=r"lost items; make it again with shortlist"):
        gru.recommend([[1]], candidates=shortlist)


# --- days without an event


def days_of(gru: GRU4Rec) -> dict[int, int]:
    days = gru._fitted().last_days
    assert days is not None
    return dict(zip(gru.vocabulary.ids.tolist(), days.tolist(), strict=True))


def as_timestamps(log: pd.DataFrame) -> pd.DataFrame:
    return log.assign(Time=pd.to_datetime(log["Time"], unit="s"))


@pytest.mark.parametrize("form", [pd.DataFrame.copy, as_timestamps], ids=["seconds", "timestamps"])
def test_items_unseen_for_days_go(
    form: Callable[[pd.DataFrame], pd.DataFrame], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    gru = GRU4Rec(layers=[4], n_sample=8, n_epochs=1, device="cpu")
    gru.fit(form(log_of(first=0, n_items=10, day=100)))
    gru.fit(form(log_of(first=5, n_items=10, day=103)))
    assert days_of(gru) == {**dict.fromkeys(range(5), 100), **dict.fromkeys(range(5, 15), 103)}
    assert GRU4Rec.load(file_of(gru), device="cpu")._fitted().last_days is not None
    new = form(log_of(first=12, n_items=10, day=110))

    kept = copy.deepcopy(gru).fit(new, retire_after_days=10)
    assert set(kept.vocabulary.ids.tolist()) == set(range(22))

    fewer = copy.deepcopy(gru).fit(new, retire_after_days=9)
    assert set(fewer.vocabulary.ids.tolist()) == set(range(5, 22))
    assert "5 of 15 items that the model knew had no event in 9 days and are retired" in caplog.text

    fewest = copy.deepcopy(gru).fit(new, retire_after_days=1)
    assert days_of(fewest) == dict.fromkeys([12, 13, 14, *range(15, 22)], 110)


def test_a_new_model_has_nothing_to_retire_and_all_known_items_may_go() -> None:
    gru = GRU4Rec(layers=[4], n_sample=8, n_epochs=1, device="cpu")
    gru.fit(log_of(day=100), retire_after_days=1)
    assert len(gru.vocabulary) == N_ITEMS
    gru.fit(log_of(first=50, day=110), retire_after_days=1)
    assert set(gru.vocabulary.ids.tolist()) == set(range(50, 80))


def test_a_training_that_retires_resumes_to_the_same_weights(tmp_path: Any) -> None:
    def continued(n_epochs: int, **options: Any) -> GRU4Rec:
        gru = GRU4Rec(layers=[4], n_sample=8, n_epochs=1, device="cpu").fit(log_of(day=100))
        longer = ModelConfig(**{**gru.config, "n_epochs": n_epochs})
        gru = GRU4Rec.load(file_of(gru), device="cpu", config=longer)
        return gru.fit(log_of(first=20, day=110), retire_after_days=3, **options)

    whole = continued(2)
    checkpoint = tmp_path / "checkpoint.pth"
    continued(1, checkpoint=checkpoint)
    resumed = continued(2, checkpoint=checkpoint, resume=True)
    assert resumed.digest == whole.digest
    assert set(resumed.vocabulary.ids.tolist()) == set(range(20, 50))
    assert days_of(resumed) == days_of(whole)


def test_a_training_that_fails_leaves_the_items() -> None:
    gru = fitted("shared")
    digest = gru.digest
    with pytest.raises(RuntimeError, match="no negatives today"):
        gru.fit(log_of(first=20, day=110), retire_after_days=3, sampler=_Wrong())
    assert gru.digest == digest
    assert len(gru.vocabulary) == N_ITEMS


class _Wrong:
    def sample(self) -> torch.Tensor:
        raise RuntimeError("no negatives today")


def test_a_model_that_knows_no_days_keeps_its_items(caplog: pytest.LogCaptureFixture) -> None:
    gru = fitted("shared")
    gru._fitted().last_days = None  # as from an older file
    gru.fit(log_of(first=20, day=110), retire_after_days=3)
    assert len(gru.vocabulary) == 50
    assert "20 items stay: the model was written before" in caplog.text
    assert set(days_of(gru).values()) == {UNKNOWN_DAY, 110}


@pytest.mark.parametrize("days", [torch.zeros(3, dtype=torch.int64), torch.zeros(N_ITEMS)])
def test_days_that_do_not_fit_the_items_are_a_damaged_file(days: torch.Tensor) -> None:
    gru = fitted("shared")
    gru._fitted().last_days = days
    with pytest.raises(ModelFileError, match="is damaged: its days do not fit the items"):
        GRU4Rec.load(file_of(gru), device="cpu")


def test_times_in_another_unit_are_refused() -> None:
    gru = fitted("shared")
    log = log_of(day=20_000)
    with pytest.raises(DataError, match="counts days in times of seconds since 1970, but"):
        gru.fit(log.assign(Time=log["Time"] * 1000), retire_after_days=3)
    gru.fit(log.assign(Time=log["Time"] * 1000))


def test_a_session_that_was_going_on_is_made_anew_elsewhere():
    gru = fitted("shared")
    live = gru.live_session()
    for item in (1, 2, 3):
        live.add(item)
    gru.retire_items([1])
    afterwards = gru.live_session(state=live.state())
    anew = gru.live_session()
    for item in (2, 3):
        anew.add(item)
    pd.testing.assert_frame_equal(afterwards.recommend(5), anew.recommend(5), check_exact=True)
