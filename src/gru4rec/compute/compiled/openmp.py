"""Compiled loops on the threads that torch keeps for its own loops.

A second pool of threads would fight with torch's: whichever waits for work keeps a core busy. So a
loop is handed to the OpenMP runtime that torch has loaded. Where there is none that can be reached
(or torch is set to one thread) it runs on the calling thread, with the same results.
"""

import ctypes
import functools
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import numpy as np
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from threadpoolctl import ThreadpoolController

from gru4rec.compute.compiled.compiling import compiled_for

logger = logging.getLogger(__name__)

ADDRESS, INT, FLOAT = ctypes.c_uint64, ctypes.c_int64, ctypes.c_float

# what every loop has: the next unit of work that is free, their number, and how many to take
_HEADER = [("next", INT), ("n", INT), ("grain", INT)]

Arguments = type[ctypes.Structure]


def arguments(**fields: Any) -> Arguments:
    """Declares what a loop needs besides its units of work.

    Args:
        fields: `INT` or `FLOAT` for a number, `ADDRESS` for an array.
    """
    return type("Arguments", (ctypes.Structure,), {"_fields_": [*_HEADER, *fields.items()]})


def loop(structure: Arguments) -> Callable[[Callable[[Any], None]], int]:
    """Compiles a function of a pointer to `structure` and returns its address.

    The function takes units of work by `take` until none is left; several threads may be in it.
    """
    signature = types.void(types.CPointer(numba.from_dtype(np.dtype(structure))))
    return lambda function: int(compiled_for(signature)(function).address)


@intrinsic
def _fetch_add(_: Any, pointer: Any, step: Any) -> Any:  # noqa: ARG001  (numba reads the names)
    """Adds to the 64-bit integer at the pointer, as one step for all threads; returns the old."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        integer = builder.bitcast(values[0], ir.IntType(64).as_pointer())
        return builder.atomic_rmw("add", integer, values[1], "monotonic")

    return types.int64(pointer, types.int64), generate


def _as_pointer(of: Any) -> Any:
    @intrinsic
    def pointer(_: Any, address: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return builder.inttoptr(values[0], context.get_value_type(signature.return_type))

        return types.CPointer(of)(address), generate

    return pointer


_float_pointer, _double_pointer = _as_pointer(types.float32), _as_pointer(types.float64)
_int_pointer = _as_pointer(types.int64)


@intrinsic
def _prefetch(_: Any, address: Any) -> Any:
    """Asks for the line of memory at an address, as far as the second cache.

    Several times as many lines can be on their way to that as to the first one.
    """

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = builder.module.declare_intrinsic(
            "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
        )
        # to be read, kept in all caches but the first, data
        given = [builder.inttoptr(values[0], byte), *(flag(number) for number in (0, 2, 1))]
        builder.call(function, given)
        return _context.get_dummy_value()

    return types.void(address), generate


@numba.njit(inline="always")
def prefetch(address: Any, n: Any) -> None:
    """Asks for n 32-bit numbers from an address on, which are wanted soon.

    Of many it asks for the first ones: the processor sees by itself how it goes on.
    """
    for line in range(0, min(4 * n, 512), 64):
        _prefetch(address + line)


@numba.njit(inline="always")
def floats(address: Any, shape: Any) -> Any:
    """The array of 32-bit floats at an address."""
    return numba.carray(_float_pointer(address), shape)


@numba.njit(inline="always")
def doubles(address: Any, shape: Any) -> Any:
    """The array of 64-bit floats at an address."""
    return numba.carray(_double_pointer(address), shape)


@numba.njit(inline="always")
def ints(address: Any, shape: Any) -> Any:
    """The array of 64-bit integers at an address."""
    return numba.carray(_int_pointer(address), shape)


@numba.njit(inline="always")
def arguments_at(pointer: Any) -> Any:
    """The structure that a loop is given."""
    return numba.carray(pointer, 1)[0]


@numba.njit(inline="always")
def take(pointer: Any) -> Any:
    """Takes units of work, of which no other thread gets any.

    Returns:
        The first one, and the one after the last: they are equal when nothing is left.
    """
    size = arguments_at(pointer)
    begin = min(_fetch_add(pointer, size.grain), size.n)
    return begin, min(begin + size.grain, size.n)


class _OpenMP:
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
def _openmp() -> _OpenMP | None:
    """Returns torch's OpenMP runtime; None where there is none that has what loops need."""
    paths = _openmp_libraries()
    for path in paths:
        try:
            return _OpenMP(ctypes.CDLL(path))
        except (OSError, AttributeError):  # Windows' own runtime has other functions
            continue
    logger.warning(
        "Compiled loops run on one thread: of OpenMP's libraries torch has loaded %s, and none "
        "of them can run these loops",
        ", ".join(paths) or "none that can be found",
    )
    return None


def _openmp_libraries() -> list[str]:
    """Paths of the OpenMP runtimes in this process, torch's own first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of others' libraries that do not go together
        found = ThreadpoolController().select(user_api="openmp").lib_controllers
    paths = [str(library.filepath) for library in found]
    ours = Path(torch.__file__).resolve().parent.parent
    # others may bring a copy of theirs, such as scikit-learn
    beside = {ours / "torch", ours / "torch.libs"}
    return sorted(paths, key=lambda path: beside.isdisjoint(Path(path).resolve().parents))


class Loop:
    """A compiled loop and its arguments.

    Args:
        address: What `loop` returned.
        structure: What `arguments` returned.
        grain: Fewest units of work that are worth a thread.
        constants: Arguments that stay.

    Attributes:
        address: Of the compiled loop.
        pointer: Address of its arguments.
        grain: See above.
        run: Runs the loop on this thread, given its arguments.
    """

    def __init__(self, address: int, structure: Arguments, grain: int, **constants: Any) -> None:
        self._arguments: Any = structure()
        self.pointer = ctypes.addressof(self._arguments)
        self.address, self.grain = address, grain
        self.run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(address)
        self._kept: dict[str, torch.Tensor] = {}
        self._set(constants)

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            if isinstance(value, torch.Tensor):
                self._kept[name] = value  # alive for as long as its address is here
                value = value.data_ptr()  # noqa: PLW2901
            setattr(self._arguments, name, value)

    def __call__(self, n: int, **values: Any) -> None:
        """Runs `n` units of work.

        Args:
            n: How many.
            values: Arguments of this time: numbers, and contiguous tensors for arrays.
        """
        n_threads = torch.get_num_threads()
        # one part for each: what a thread's cache holds is then what it works on in the next loop
        self.begin(n, max(self.grain, -(-n // n_threads)), values)
        openmp = _openmp() if n > self.grain and n_threads > 1 else None
        if openmp is None:
            self.run(self.pointer)
        else:
            openmp.fork(self.address, self.pointer, n_threads, 0)

    def meanwhile(self, n: int, beside: bool = True, **values: Any) -> "Meanwhile":
        """Runs `n` units of work beside what is in a block; see `Meanwhile`.

        Args:
            n: How many.
            beside: False runs them at the block's end, on all threads.
            values: See `__call__`.
        """
        return Meanwhile(self, n, beside, values)

    def begin(self, n: int, grain: int, values: dict[str, Any]) -> None:
        """Makes units of work ready, of which threads take so many at a time."""
        self._set(values)
        self._arguments.next, self._arguments.n, self._arguments.grain = 0, n, grain


class Meanwhile:
    """Runs a loop on the other threads while this one does what is in a `with` block.

    At the block's end, whatever ends it, this thread helps with what is left. In the block torch
    and other loops have this thread only; no other `Meanwhile` may be there. It is a class, not a
    generator, so that Ctrl-C finds few moments at which the team stays open.
    """

    def __init__(self, loop: Loop, n: int, beside: bool, values: dict[str, Any]) -> None:
        self._loop, self._n, self._values = loop, n, values
        others = beside and n > loop.grain and torch.get_num_threads() > 1
        self._openmp = _openmp() if others else None

    def __enter__(self) -> None:
        loop, openmp = self._loop, self._openmp
        if not openmp:
            return
        while openmp.level():  # Ctrl-C found one of these moments
            openmp.end()
        loop.begin(self._n, loop.grain, self._values)
        try:
            openmp.start(loop.address, loop.pointer, torch.get_num_threads())
        except KeyboardInterrupt:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if not self._openmp:
            self._loop(self._n, **self._values)
            return
        try:
            self._loop.run(self._loop.pointer)
        finally:
            if self._openmp.level():
                self._openmp.end()
