"""What all tests share: one thread each, and examples that are the same on every run."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)  # pytest-xdist has a process for each core already

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")
# `make soak`: many more examples, and others each time
settings.register_profile(
    "soak", settings.get_profile("repeatable"), derandomize=False, max_examples=2500
)


def _assert_same(one: Any, other: Any) -> None:
    """Contents of model files are equal, tensors to the last bit."""
    assert type(one) is type(other)
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one:
            _assert_same(one[name], other[name])
    else:
        assert one == other


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Any, Any], None]:
    return _assert_same


@contextmanager
def _torch_threads(n: int) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    yield n
    torch.set_num_threads(before)


@pytest.fixture
def two_threads() -> Iterator[int]:
    """Two threads of torch."""
    with _torch_threads(2) as n:
        yield n


@pytest.fixture(params=[1, 2], ids="{}-torch-threads".format)
def torch_threads(request: pytest.FixtureRequest) -> Iterator[int]:
    """One thread of torch, then two."""
    with _torch_threads(request.param) as n:
        yield n
