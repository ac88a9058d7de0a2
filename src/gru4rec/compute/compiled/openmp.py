"""The OpenMP runtime that torch has loaded: compiled loops run on its threads.

A second pool of threads would fight with torch's: whichever waits for work keeps a core busy.
"""

import ctypes
import functools
import logging
import warnings
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

logger = logging.getLogger(__name__)


class OpenMP:
    """What compiled loops need of an OpenMP runtime.

    Args:
        library: The runtime, loaded.

    Attributes:
        fork: Runs a loop on a team of threads.
        start: Begins a loop on the threads of a team but the calling one.
        end: Waits for them.
        level: How many teams the calling thread is in; 0 after the last `end`.

    Raises:
        AttributeError: It has other functions.
    """

    def __init__(self, library: ctypes.CDLL) -> None:
        loop = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint]
        self.fork = _function(library.GOMP_parallel, [*loop, ctypes.c_uint])
        self.start = _function(library.GOMP_parallel_start, loop)
        self.end = _function(library.GOMP_parallel_end, [])
        self.level = _function(library.omp_get_level, [], ctypes.c_int)


def _function(function: Any, arguments: list[Any], result: Any = None) -> Any:
    function.argtypes, function.restype = arguments, result
    return function


@functools.cache
def find_openmp() -> OpenMP | None:
    """Returns torch's OpenMP runtime; None where there is none that has what loops need."""
    paths = find_libraries()
    for path in paths:
        try:
            return OpenMP(ctypes.CDLL(path))
        except (OSError, AttributeError):  # Windows' own runtime has other functions
            continue
    logger.warning(
        "Compiled loops run on one thread: of OpenMP's libraries torch has loaded %s, and none "
        "of them can run these loops",
        ", ".join(paths) or "none that can be found",
    )
    return None


def find_libraries() -> list[str]:
    """Returns the paths of the OpenMP runtimes in this process, torch's own first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of others' libraries that do not go together
        found = ThreadpoolController().select(user_api="openmp").lib_controllers
    paths = [str(library.filepath) for library in found]
    ours = Path(torch.__file__).resolve().parent.parent
    # others may bring a copy of theirs, such as scikit-learn
    beside = {ours / "torch", ours / "torch.libs"}
    return sorted(paths, key=lambda path: beside.isdisjoint(Path(path).resolve().parents))
