"""Compiled loops give the same on any number of threads, and without OpenMP."""

import _ctypes
import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from gru4rec.compute.compiled import openmp, step_kernels
from gru4rec.compute.compiled.openmp import Loop

N, WIDTH = 1000, 7
ONES = torch.ones(N, WIDTH + 1)

Run = Callable[[Loop, int, Tensor], None]


@pytest.fixture
def runtime(two_threads: int) -> openmp._OpenMP:
    """The runtime, on two threads."""
    found = openmp._openmp()
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
    monkeypatch.setattr(openmp, "_openmp", lambda: None)
    without_openmp = update_rows(run)

    for other in (on_one, without_openmp):
        assert all(map(torch.equal, on_two, other))


def test_an_error_beside_a_loop_leaves_nothing_at_work(runtime: openmp._OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()

    with pytest.raises(KeyboardInterrupt), loop.meanwhile(N, gradient=ONES):
        raise KeyboardInterrupt

    again(N, gradient=ONES)
    assert all(map(torch.equal, found, expected))
    assert runtime.level() == 0


def test_a_team_that_was_left_open_is_closed(runtime: openmp._OpenMP) -> None:
    loop, found = make_update()
    again, expected = make_update()
    loop.meanwhile(N, gradient=ONES).__enter__()  # Ctrl-C before the block

    with again.meanwhile(N, gradient=ONES):
        assert runtime.level() == 1

    assert runtime.level() == 0
    assert all(map(torch.equal, found, expected))


ONE_THREAD_GRANTED = """
import torch
from test_openmp import N, ONES, make_update, openmp
torch.set_num_threads(2)
loop, _ = make_update()
for _ in range(3):
    with loop.meanwhile(N, gradient=ONES):
        pass
runtime = openmp._openmp()
assert runtime is None or runtime.level() == 0
"""


def test_a_team_of_one_is_closed_too() -> None:
    given = {**os.environ, "OMP_THREAD_LIMIT": "1"}
    command = [sys.executable, "-c", ONE_THREAD_GRANTED]
    subprocess.run(command, check=True, env=given, cwd=Path(__file__).parent)


@pytest.fixture
def searched_anew() -> Iterator[None]:
    """The runtime is looked for again, and again after the test."""
    openmp._openmp.cache_clear()
    yield
    openmp._openmp.cache_clear()


def libraries(*paths: str) -> Callable[[], Any]:
    """What threadpoolctl answers where these runtimes are loaded."""
    found = SimpleNamespace(lib_controllers=[SimpleNamespace(filepath=path) for path in paths])
    return lambda: SimpleNamespace(select=lambda **_: found)


@pytest.mark.usefixtures("searched_anew", "two_threads")
@pytest.mark.parametrize("loaded", [(), ("no/such/library.so",), (_ctypes.__file__,)])
def test_without_a_runtime_one_thread_does_all_and_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, loaded: tuple[str, ...]
) -> None:
    expected = update_rows(alone)
    openmp._openmp.cache_clear()
    monkeypatch.setattr(openmp, "ThreadpoolController", libraries(*loaded))

    for run in (alone, beside):
        assert all(map(torch.equal, update_rows(run), expected))

    assert openmp._openmp() is None
    [line] = caplog.messages
    assert line.startswith("Compiled loops run on one thread")
    assert all(path in line for path in loaded)


@pytest.mark.usefixtures("searched_anew")
def test_no_runtime_is_looked_for_where_one_thread_is_asked_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(openmp, "ThreadpoolController", None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        update_rows(alone)
    finally:
        torch.set_num_threads(threads)


@pytest.mark.usefixtures("searched_anew")
def test_where_a_process_cannot_be_searched_by_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows: `ctypes.CDLL(None)` is a TypeError there."""
    real = ctypes.CDLL

    def open_library(name: Any, *args: Any, **kwargs: Any) -> ctypes.CDLL:
        if name is None:
            raise TypeError("argument of type 'NoneType' is not iterable")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(ctypes, "CDLL", open_library)
    monkeypatch.setattr(openmp, "ThreadpoolController", libraries())

    assert openmp._openmp() is None


@pytest.mark.usefixtures("searched_anew")
def test_a_runtime_in_a_folder_with_a_blank_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [path, *_] = openmp._openmp_libraries() or [""]
    if not path:
        pytest.skip("there is no OpenMP runtime")
    copy = tmp_path / "my projects" / Path(path).name
    copy.parent.mkdir()
    shutil.copy(path, copy)
    command = [sys.executable, "-c", WITH_THE_COPY, str(copy)]
    subprocess.run(command, check=True, cwd=Path(__file__).parent)


# torch takes the runtime that is loaded already, if it has the name of its own
WITH_THE_COPY = """
import ctypes, sys
ctypes.CDLL(sys.argv[1])
from test_openmp import openmp
assert sys.argv[1] in openmp._openmp_libraries()
openmp._openmp_libraries = lambda: [sys.argv[1]]
assert openmp._openmp()
"""


@pytest.mark.usefixtures("searched_anew")
def test_torchs_own_runtime_comes_before_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    packages = tmp_path / "my env" / "site-packages"
    for own in ("torch/lib/libomp.dylib", "torch.libs/libgomp-1.so"):
        others = [str(packages / "scikit_learn.libs/libgomp-2.so"), "/usr/lib/torch/libomp.so"]
        monkeypatch.setattr(torch, "__file__", str(packages / "torch/__init__.py"))
        monkeypatch.setattr(openmp, "ThreadpoolController", libraries(*others, str(packages / own)))
        assert openmp._openmp_libraries() == [str(packages / own), *others]
