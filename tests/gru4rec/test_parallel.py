"""Compiled loops give the same on any number of threads, and without OpenMP."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gru4rec import parallel, step_kernels
from gru4rec.parallel import Loop

N, WIDTH = 1000, 7
ONES = torch.ones(N, WIDTH + 1)

Run = Callable[[Loop, int, Tensor], None]


@pytest.fixture
def openmp(two_threads: int) -> parallel._OpenMP:
    """The runtime, on two threads."""
    found = parallel._openmp()
    return found or pytest.skip("there is no OpenMP runtime")


def make_update() -> tuple[Loop, list[Tensor]]:
    """An update of every other row of a table; also the table and its accumulators."""
    generator = torch.Generator().manual_seed(1)
    table, accumulators = torch.rand(2, 2 * N, WIDTH, generator=generator)
    loop = Loop(
        step_kernels.adagrad,
        step_kernels.ADAGRAD,
        grain=3,
        table=table,
        accumulators=accumulators,
        rows=torch.arange(0, 2 * N, 2),
        rate=0.1,
        epsilon=1e-6,
        n_rows=2 * N,
        width=WIDTH,
        stride=WIDTH + 1,
        late=torch.zeros(N, dtype=torch.int64),
    )
    return loop, [table, accumulators]


def alone(loop: Loop, n: int, gradient: Tensor) -> None:
    loop(n, gradient=gradient)


def beside(loop: Loop, n: int, gradient: Tensor) -> None:
    """Runs the loop beside torch's work and another loop, which come out right too."""
    other, found = make_update()
    again, expected = make_update()
    with loop.meanwhile(n, gradient=gradient):
        product = torch.ones(200, 200) @ torch.ones(200, 200)
        other(N, gradient=ONES)
    again(N, gradient=ONES)
    assert (product == 200).all()
    assert all(map(torch.equal, found, expected))


def update_rows(run: Run) -> list[Tensor]:
    loop, tensors = make_update()
    for n in (N, 0, N - 1):
        run(loop, n, ONES)
    return tensors


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("run", [alone, beside])
def test_every_unit_is_done_once(run: Run) -> None:
    _, [table, accumulators] = make_update()
    for last in (N, N - 1):
        rows = slice(0, 2 * last, 2)
        accumulators[rows] += 1
        table[rows] -= 0.1 / torch.sqrt(accumulators[rows] + 1e-6)

    torch.testing.assert_close(update_rows(run), [table, accumulators])


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("run", [alone, beside])
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    on_two = update_rows(run)
    torch.set_num_threads(1)
    on_one = update_rows(run)
    torch.set_num_threads(2)
    monkeypatch.setattr(parallel, "_openmp", lambda: None)
    without_openmp = update_rows(run)

    for other in (on_one, without_openmp):
        assert all(map(torch.equal, on_two, other))


def test_an_error_beside_a_loop_leaves_nothing_at_work(openmp: parallel._OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()

    with pytest.raises(KeyboardInterrupt), loop.meanwhile(N, gradient=ONES):
        raise KeyboardInterrupt

    again(N, gradient=ONES)
    assert all(map(torch.equal, found, expected))
    assert openmp.level() == 0


def test_a_team_that_was_left_open_is_closed(openmp: parallel._OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()
    loop.meanwhile(N, gradient=ONES).__enter__()  # Ctrl-C before the block

    with again.meanwhile(N, gradient=ONES):
        assert openmp.level() == 1

    assert openmp.level() == 0
    assert all(map(torch.equal, found, expected))


ONE_THREAD_GRANTED = """
import torch
from test_parallel import N, ONES, make_update, parallel
torch.set_num_threads(2)
loop, _ = make_update()
for _ in range(3):
    with loop.meanwhile(N, gradient=ONES):
        pass
openmp = parallel._openmp()
assert openmp is None or openmp.level() == 0
"""


def test_a_team_of_one_is_closed_too() -> None:
    given = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    command = [sys.executable, "-c", ONE_THREAD_GRANTED]
    subprocess.run(command, check=True, env=given, cwd=Path(__file__).parent)


def test_no_openmp_runtime_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_openmp_library", lambda: "no/such/library.so")
    parallel._openmp.cache_clear()
    try:
        assert parallel._openmp() is None
    finally:
        parallel._openmp.cache_clear()
