"""Compiled loops check what they are given, and give the same on any number of threads."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gru4rec.compute.compiled import loops, openmp, update_kernels
from gru4rec.compute.compiled.arrays import Floats
from gru4rec.compute.compiled.loops import Loop

N, WIDTH = 1000, 7
ONES = torch.ones(N, WIDTH + 1)

Run = Callable[[Loop, int, Tensor], None]


@pytest.fixture
def runtime(two_threads: int) -> openmp.OpenMP:
    """The runtime, on two threads."""
    found = openmp.find_openmp()
    return found or pytest.skip("there is no OpenMP runtime")


def make_update() -> tuple[Loop, list[Tensor]]:
    """An update of every other row of a table; also the table and its accumulators."""
    generator = torch.Generator().manual_seed(1)
    table, accumulators = torch.rand(2, 2 * N, WIDTH, generator=generator)
    loop = Loop(
        update_kernels.adagrad,
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
        n_biases=0,
        turn=0,
        momentum=0.0,
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
    monkeypatch.setattr(openmp, "find_openmp", lambda: None)
    without_openmp = update_rows(run)

    for other in (on_one, without_openmp):
        assert all(map(torch.equal, on_two, other))


def test_an_error_beside_a_loop_leaves_nothing_at_work(runtime: openmp.OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()

    with pytest.raises(KeyboardInterrupt), loop.meanwhile(N, gradient=ONES):
        raise KeyboardInterrupt

    again(N, gradient=ONES)
    assert all(map(torch.equal, found, expected))
    assert runtime.level() == 0


def test_a_team_that_was_left_open_is_closed(runtime: openmp.OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()
    loop.meanwhile(N, gradient=ONES).__enter__()  # Ctrl-C before the block

    with again.meanwhile(N, gradient=ONES):
        assert runtime.level() == 1

    assert runtime.level() == 0
    assert all(map(torch.equal, found, expected))


ONE_THREAD_GRANTED = """
import torch
from test_loops import N, ONES, make_update, openmp
torch.set_num_threads(2)
loop, _ = make_update()
for _ in range(3):
    with loop.meanwhile(N, gradient=ONES):
        pass
runtime = openmp.find_openmp()
assert runtime is None or runtime.level() == 0
"""


def test_a_team_of_one_is_closed_too() -> None:
    given = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    command = [sys.executable, "-c", ONE_THREAD_GRANTED]
    subprocess.run(command, check=True, env=given, cwd=Path(__file__).parent)


def make_loop(**changed: Any) -> Loop:
    """A loop over six rows of eight; what is changed is given instead, and None left out."""
    given = {
        "table": torch.zeros(9, 3),
        "accumulators": torch.zeros(9, 3),
        "rows": torch.arange(6),
        "late": torch.zeros(6, dtype=torch.int64),
        "n_rows": 9,
        "width": 3,
        "stride": 4,
        "n_biases": 0,
        "turn": 0,
        "rate": 0.1,
        "epsilon": 1e-6,
        "momentum": 0.0,
        **changed,
    }
    given = {name: value for name, value in given.items() if value is not None}
    return Loop(update_kernels.adagrad, grain=1, **given)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"table": torch.zeros(9, 3).double()}, "table of the loop adagrad is a torch.float64"),
        ({"table": torch.zeros(3, 9).T}, r"tensor on cpu with strides \(1, 9\); a contiguous"),
        ({"table": torch.zeros(9, 3, device="meta")}, "tensor on meta; .* on the CPU is expected"),
        ({"table": np.zeros((9, 3), np.float32)}, "table of the loop adagrad is ndarray"),
        ({"rows": torch.arange(6).int()}, "rows .* torch.int32 .*torch.int64 tensor"),
        ({"rate": torch.tensor(0.1)}, "rate of the loop adagrad is .*; a number is expected"),
        ({"n_rows": 9.0}, "float"),
        ({"learning_rate": 0.1}, "the loop adagrad has no argument learning_rate; it has table"),
    ],
)
def test_what_a_loop_would_misread_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        make_loop(**changed)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "adagrad is given nothing; it takes gradient"),
        ({"gradient": torch.zeros(6, 4), "rate": 0.2}, "given gradient, rate; it takes gradient"),
        ({"gradient": torch.zeros(6, 8)[:, ::2]}, "with strides"),
        ({"gradient": torch.zeros(6, 4).long()}, "torch.int64"),
    ],
)
def test_a_call_gives_all_that_is_open_and_nothing_else(
    values: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        make_loop()(6, **values)


def test_what_was_forgotten_when_a_loop_was_made_is_missed_by_its_call() -> None:
    with pytest.raises(TypeError, match="it takes gradient, rows"):
        make_loop(rows=None)(6, gradient=torch.zeros(6, 4))


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(
    ("n", "changed", "gradient", "message"),
    [
        (7, {}, (7, 4), r"rows of the loop adagrad has 6 numbers; \(n\) is 7"),
        (6, {}, (6, 3), r"gradient .* has 18 numbers; \(n, stride\) is 6 × 4"),
        (6, {"n_rows": 10}, (6, 4), r"table .* has 27 numbers; \(n_rows, width\) is 10 × 3"),
        (6, {"width": 4}, (6, 4), r"table .* is 9 × 4"),
        (6, {"velocities": torch.zeros(8, 3)}, (6, 4), "velocities .* has 24 numbers"),
    ],
)
@pytest.mark.parametrize("run", [alone, Loop.meanwhile])
def test_a_tensor_that_is_too_small_is_refused(
    run: Any, n: int, changed: dict[str, Any], gradient: tuple[int, int], message: str
) -> None:
    table = torch.zeros(9, 3)
    loop = make_loop(table=table, **changed)
    for _ in range(2):
        with pytest.raises(ValueError, match=message):  # noqa: PT012  (the end of a block raises)
            block = run(loop, n, gradient=torch.ones(gradient))
            with block or contextlib.nullcontext():
                pass
    assert not table.any()


def test_larger_tensors_than_needed_are_fine() -> None:
    table = torch.zeros(20, 3)
    make_loop(table=table)(5, gradient=torch.ones(6, 4))
    assert table.count_nonzero() == 5 * 3


def test_a_part_of_a_loop_can_be_called_alone() -> None:
    table, accumulators, velocities = np.zeros((3, 9, 2), np.float32)
    biases = np.zeros((9, 1), np.float32)
    rows, late = np.arange(3, 9), np.zeros(6, np.int64)
    numbers = (9, 2, 2, 0, 0, np.float32(0.1), np.float32(1e-6), np.float32(0))

    update_kernels.adagrad.part(
        2, 4, table, accumulators, velocities, biases, biases, biases, rows, late,
        np.ones((6, 2), np.float32), *numbers,
    )  # fmt: skip

    assert np.flatnonzero(table.any(axis=1)).tolist() == [5, 6]


def test_a_loop_does_not_depend_on_a_function_around_it() -> None:
    factor = 2.0

    with pytest.raises(TypeError, match="the loop multiply uses variables of a function around"):

        @loops.loop
        def multiply(begin: int, end: int, values: Annotated[Floats, "n"]) -> None:
            for i in range(begin, end):
                values[i] *= factor
