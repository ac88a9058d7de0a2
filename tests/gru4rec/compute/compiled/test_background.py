"""What runs in the background finds what it finds otherwise."""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch

from gru4rec.compute.compiled.background import Background
from gru4rec.compute.compiled.sessions import FewSessions


@pytest.fixture
def background() -> Iterator[Background]:
    background = Background()
    yield background
    background.close()


def sessions(n_items: int, n: int = 3) -> FewSessions:
    """Some that are ready."""
    generator = torch.Generator().manual_seed(n_items)
    table, output, bias = (
        torch.randn(shape, generator=generator) for shape in ((n_items, 24), (n_items, 8), n_items)
    )
    weights = {
        name: torch.randn(shape, generator=generator)
        for name, shape in {"weight_rz": (8, 16), "weight_h": (8, 8), "bias": (24,)}.items()
    }
    few = FewSessions(table, [weights], output, bias)
    assert few.ready([np.ones((n, 8), np.float32)], [[0]] * n, 5, None)
    return few


def found(few: FewSessions) -> list[Any]:
    return [(went.items.tolist(), went.scores.tolist(), went.hidden) for went in few.result()]


def thread_of(background: Background) -> threading.Thread:
    return background._thread


@pytest.mark.usefixtures("torch_threads")
def test_one_batch_after_the_other(background: Background) -> None:
    for n_items in (10, 40_000, 3):
        expected = sessions(n_items)
        expected.run()
        begun = sessions(n_items)

        background.begin(begun)
        background.end()

        assert found(begun) == found(expected)


def test_its_file_tells_that_it_has_ended(background: Background) -> None:
    assert not select.select([background.fileno()], [], [], 0)[0]
    background.begin(sessions(1000))
    assert select.select([background.fileno()], [], [], 60)[0]
    background.end()
    assert not select.select([background.fileno()], [], [], 0)[0]


def test_it_needs_no_lock_of_python(background: Background) -> None:
    background.begin(sessions(10))  # so that its thread has begun
    background.end()
    begun = sessions(1000)
    sizes = begun._search._sizes[:3]
    before = sys.getswitchinterval()
    try:
        sys.setswitchinterval(600)  # this thread gives way to no other
        background.begin(begun)
        until = time.monotonic() + 60
        while sizes.min() == 0 and time.monotonic() < until:
            pass
        assert sizes.min() == 5
    finally:
        sys.setswitchinterval(before)
        background.end()


def test_the_end_is_waited_for_whatever_others_made_of_the_file(background: Background) -> None:
    os.set_blocking(background.fileno(), False)
    begun = sessions(300_000, n=16)
    background.begin(begun)
    background.end()
    assert begun._search._sizes[:16].tolist() == [5] * 16


def test_signals_do_not_end_it(background: Background) -> None:
    came = []
    before = signal.signal(signal.SIGUSR1, lambda *_: came.append(True))
    try:
        thread = thread_of(background)
        assert thread.ident
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        begun = sessions(100)
        background.begin(begun)
        background.end()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert came
    assert [len(went.items) for went in begun.result()] == [5, 5, 5]


def test_it_ends_and_leaves_no_file_open() -> None:
    n_files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    background = Background()
    background.begin(sessions(100))
    background.end()
    background.close()
    assert not thread_of(background).is_alive()
    if n_files:
        assert len(os.listdir("/proc/self/fd")) == n_files
