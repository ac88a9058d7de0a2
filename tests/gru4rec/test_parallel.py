"""Compiled loops give the same on any number of threads, and without OpenMP."""

from collections.abc import Iterator

import pytest
import torch

from gru4rec import parallel, step_kernels
from gru4rec.parallel import Loop

N, WIDTH = 1000, 7


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def update_rows() -> list[torch.Tensor]:
    """Updates every other row of a table by `adagrad`; returns the table and its accumulators."""
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
    )
    for n in (N, 0, N - 1):
        loop(n, gradient=torch.ones(N, WIDTH))
    return [table, accumulators]


@pytest.mark.usefixtures("two_threads")
def test_every_unit_is_done_once() -> None:
    generator = torch.Generator().manual_seed(1)
    table, accumulators = torch.rand(2, 2 * N, WIDTH, generator=generator)
    for last in (N, N - 1):
        rows = slice(0, 2 * last, 2)
        accumulators[rows] += 1
        table[rows] -= 0.1 / torch.sqrt(accumulators[rows] + 1e-6)

    torch.testing.assert_close(update_rows(), [table, accumulators])


@pytest.mark.usefixtures("two_threads")
def test_threads_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    on_two = update_rows()
    torch.set_num_threads(1)
    on_one = update_rows()
    torch.set_num_threads(2)
    monkeypatch.setattr(parallel, "_fork", lambda: None)
    without_openmp = update_rows()

    for other in (on_one, without_openmp):
        assert all(torch.equal(a, b) for a, b in zip(on_two, other, strict=True))


def test_no_openmp_runtime_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "_openmp_library", lambda: "no/such/library.so")
    parallel._fork.cache_clear()
    try:
        assert parallel._fork() is None
    finally:
        parallel._fork.cache_clear()
