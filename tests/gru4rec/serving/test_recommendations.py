"""One model under the calls of many threads, and under a million of them."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec.data.vocabulary import Vocabulary

Call = Callable[[], pd.DataFrame]

N_THREADS, N_ITEMS = 16, 600


@pytest.fixture
def eager_switches() -> Iterator[None]:
    """Lets Python change threads as often as it can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def fitted(as_text: bool) -> GRU4Rec:
    rng = np.random.default_rng(0)
    events = pd.DataFrame(
        {
            "SessionId": np.arange(4 * N_ITEMS) // 4,
            "ItemId": np.concatenate([rng.permutation(N_ITEMS) for _ in range(4)]),
            "Time": np.arange(4 * N_ITEMS),
        }
    )
    if as_text:
        events["ItemId"] = "item " + events["ItemId"].astype(str)
    return GRU4Rec(layers=[12, 8], n_sample=16, n_epochs=1, device="cpu").fit(events)


def calls_of(gru: GRU4Rec) -> list[Call]:
    """Calls of all kinds, each of which has one answer."""
    ids = gru.vocabulary.ids
    stranger = "stranger" if gru.vocabulary.holds_text else -5
    in_stock = gru.shortlist(ids[::7])

    def live(first: int, options: dict[str, Any]) -> Call:
        def call() -> pd.DataFrame:
            session = gru.live_session(first)
            found = [session.recommend(k=3)]
            for item in [*ids[first : first + 5].tolist(), stranger]:
                session.add(item)
                found.append(session.recommend(**options))
            return pd.concat(found, ignore_index=True)

        return call

    def many(n: int, options: dict[str, Any]) -> Call:
        # more than 16 sessions are shared out among torch's threads
        sessions = {s: [*ids[s : s + s % 5].tolist(), stranger] for s in range(n)}
        return lambda: gru.recommend(sessions, **options)

    options: list[dict[str, Any]] = [
        {"k": 5},
        {"k": 20, "exclude_seen": True},
        {"k": 5, "candidates": in_stock},
        {"k": 5, "candidates": [*ids[5:40].tolist(), stranger], "exclude_seen": True},
        {"k": len(ids)},
    ]
    return [
        *(
            live(first, chosen)
            for first, chosen in zip((0, 50, 100, 150, 200), options, strict=True)
        ),
        *(many(n, chosen) for n, chosen in zip((1, 70, 40, 2, 33), options, strict=True)),
    ]


def at_once(work: Callable[[int], list[pd.DataFrame]]) -> list[list[pd.DataFrame]]:
    """What each of many threads returns, which begin together."""
    barrier = Barrier(N_THREADS)

    def begin(thread: int) -> list[pd.DataFrame]:
        barrier.wait(timeout=60)
        return work(thread)

    with ThreadPoolExecutor(N_THREADS) as pool:
        return list(pool.map(begin, range(N_THREADS)))


@pytest.mark.parametrize("as_text", [False, True], ids=["integers", "text"])
@pytest.mark.usefixtures("torch_threads", "eager_switches")
def test_answers_do_not_depend_on_other_threads(as_text: bool) -> None:
    gru = fitted(as_text)
    calls = calls_of(gru)
    alone = [call() for call in calls]

    def in_an_order_of_its_own(thread: int) -> list[pd.DataFrame]:
        order = np.random.default_rng(thread).permutation(len(calls))
        found = {number: calls[number]() for number in order}
        return [found[number] for number in range(len(calls))]

    for found in at_once(in_an_order_of_its_own):
        for answer, expected in zip(found, alone, strict=True):
            pd.testing.assert_frame_equal(answer, expected, check_exact=True)


# from a million ids on pandas looks them up in other ways
@pytest.mark.parametrize("make", [np.arange, lambda n: np.arange(n)[::-1].copy()])
@pytest.mark.usefixtures("eager_switches")
def test_a_fresh_large_vocabulary_is_ready_for_many_threads(
    make: Callable[[int], np.ndarray[Any, Any]],
) -> None:
    ids = make(1_100_000)
    vocabulary = Vocabulary(ids)
    wanted = np.arange(0, len(ids), 100_001)

    def find_and_encode(thread: int) -> list[pd.DataFrame]:
        found = [vocabulary.find(int(item)) for item in wanted]
        encoded = vocabulary.encode(wanted[thread:])
        return [pd.DataFrame({"at": found}), pd.DataFrame({"at": encoded})]

    places = np.argsort(ids)[wanted]
    for thread, (found, encoded) in enumerate(at_once(find_and_encode)):
        assert found["at"].tolist() == places.tolist()
        assert encoded["at"].tolist() == places[thread:].tolist()


_FIRST_CALLS = """
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch

from gru4rec import GRU4Rec

gru, barrier = GRU4Rec.load(sys.argv[1], device="cpu"), Barrier({n})
torch.set_num_threads(2)
ids = gru.vocabulary.ids.tolist()
in_stock = gru.shortlist(ids[::7])

def first_call(thread):
    barrier.wait(timeout=60)
    if thread % 4 == 0:
        live = gru.live_session(0)
        live.add(ids[1]), live.add(ids[2])
        return live.recommend(k=4, exclude_seen=thread == 8)
    if thread % 4 == 1:
        return gru.recommend([ids[1:3]] * 40, k=4, exclude_seen=thread == 9)
    if thread % 4 == 2:
        return gru.recommend([ids[1:3]], k=4, candidates=in_stock)
    return gru.recommend([ids[1:3]], k=4)

with ThreadPoolExecutor({n}) as pool:
    for answer in pool.map(first_call, range({n})):
        print(answer["item"].tolist()[:4], answer["score"].round(4).tolist()[:4])
"""


@pytest.mark.parametrize("is_compiled", [True, False], ids=["compiled", "not-compiled"])
def test_the_first_calls_of_a_process_may_come_from_many_threads(
    tmp_path: Path, is_compiled: bool
) -> None:
    gru = fitted(as_text=False)
    gru.save(tmp_path / "model.pth")
    cache = {} if is_compiled else {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}

    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", _FIRST_CALLS.format(n=N_THREADS), "model.pth"],
        cwd=tmp_path,
        env={**os.environ, **cache},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    ids = gru.vocabulary.ids.tolist()
    session = [ids[1:3]]
    usual, unseen = (gru.recommend(session, k=4, exclude_seen=seen) for seen in (False, True))
    in_stock = gru.recommend(session, k=4, candidates=ids[::7])
    expected = [in_stock if n % 4 == 2 else unseen if n in (8, 9) else usual for n in range(16)]
    assert run.stdout.splitlines() == [
        f"{best['item'].tolist()} {best['score'].round(4).tolist()}" for best in expected
    ]


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_a_million_calls_leave_no_memory_behind() -> None:
    gru = fitted(as_text=False)
    ids = gru.vocabulary.ids.tolist()
    rng = np.random.default_rng(0)
    n_rounds, after_a_tenth = 100_000, 0.0

    for number in range(n_rounds):  # of ten calls
        live = gru.live_session(number)
        places = rng.integers(0, N_ITEMS, 7).tolist()
        for place in places:
            live.add(ids[place])
        live.recommend(k=5, exclude_seen=True)
        gru.recommend({"anna": [ids[place] for place in places]}, k=5)
        if number == n_rounds // 10:
            after_a_tenth = resident_mb()

    assert resident_mb() - after_a_tenth < 4  # five bytes a call


def resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
