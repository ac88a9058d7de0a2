"""Torch's OpenMP runtime is found wherever it lies; without one a single thread does all."""

import _ctypes
import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
import torch

from gru4rec.compute.compiled import loops, openmp
from gru4rec.compute.compiled.arrays import Floats
from gru4rec.compute.compiled.loops import Loop


@pytest.fixture(scope="module")
def loop() -> Loop:
    """Doubles numbers."""

    @loops.loop
    def double(begin: int, end: int, values: Annotated[Floats, "n"]) -> None:
        for i in range(begin, end):
            values[i] *= 2

    return Loop(double, grain=3)


@pytest.fixture
def searched_anew() -> Iterator[None]:
    """The runtime is looked for again, and again after the test."""
    openmp.find_openmp.cache_clear()
    yield
    openmp.find_openmp.cache_clear()


def libraries(*paths: str) -> Callable[[], Any]:
    """What threadpoolctl answers where these runtimes are loaded."""
    found = SimpleNamespace(lib_controllers=[SimpleNamespace(filepath=path) for path in paths])
    return lambda: SimpleNamespace(select=lambda **_: found)


@pytest.mark.usefixtures("searched_anew", "two_threads")
@pytest.mark.parametrize("loaded", [(), ("no/such/library.so",), (_ctypes.__file__,)])
def test_without_a_runtime_one_thread_does_all_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    loop: Loop,
    loaded: tuple[str, ...],
) -> None:
    monkeypatch.setattr(openmp, "ThreadpoolController", libraries(*loaded))
    doubled = torch.ones(100)

    loop(100, values=doubled)
    with loop.meanwhile(100, values=doubled):
        pass

    assert doubled.tolist() == [4.0] * 100
    assert openmp.find_openmp() is None
    [line] = caplog.messages
    assert line.startswith("Compiled loops run on one thread")
    assert all(path in line for path in loaded)


@pytest.mark.usefixtures("searched_anew")
def test_no_runtime_is_looked_for_where_one_thread_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, loop: Loop
) -> None:
    monkeypatch.setattr(openmp, "ThreadpoolController", None)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        loop(100, values=torch.ones(100))
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

    assert openmp.find_openmp() is None


@pytest.mark.usefixtures("searched_anew")
def test_a_runtime_in_a_folder_with_a_blank_is_found(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    [path, *_] = openmp.find_libraries() or [""]
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
assert sys.argv[1] in openmp.find_libraries()
openmp.find_libraries = lambda: [sys.argv[1]]
assert openmp.find_openmp()
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
        assert openmp.find_libraries() == [str(packages / own), *others]
