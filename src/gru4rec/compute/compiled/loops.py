"""Compiled loops that several threads share, declared once.

What a loop works with is the signature of the function that does a part of it: `@loop` reads names,
types and shapes from there. The fields that C code sees, the arrays made from them and the checks
of what is given follow from it.

    @loop
    def scale(begin: int, end: int, values: Annotated[Floats, "n", "width"], width: int, by: float):
        for i in range(begin, end):
            values[i] *= by

    Loop(scale, grain=16, values=tensor, width=tensor.shape[1])(len(tensor), by=0.5)

Units of work are numbered from 0; `n` is their number, and always known to shapes. Where no OpenMP
runtime can be reached, or torch is set to one thread, a loop runs on the calling thread, with the
same results.
"""

import ctypes
import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import numba
import numpy as np
import torch
from numba import types

from gru4rec.compute.compiled import addresses, openmp
from gru4rec.compute.compiled.addresses import fetch_add
from gru4rec.compute.compiled.arrays import Bytes, Doubles, Floats, Ints
from gru4rec.compute.compiled.compiling import compiled, compiled_for

OPTIONAL = object()
_NUMBERS = {int: ctypes.c_int64, float: ctypes.c_float}
_ARRAYS = {
    Floats: (torch.float32, "floats"),
    Doubles: (torch.float64, "doubles"),
    Ints: (torch.int64, "ints"),
    Bytes: (torch.int8, "signed_bytes"),
}
# what every loop has: the next unit of work that is free, their number, how many to take, and
# whether a tensor is too small
_HEADER = [(name, ctypes.c_int64) for name in ("next", "n", "grain", "refused")]
_GIVEN = ("begin", "end", "n")  # parameters that are no arguments of a loop

_TEMPLATE = """
def {name}_loop(pointer):
    given = arguments_at(pointer)
    if {too_small}:
        given.refused = 1
        return
    begin, end = take(pointer)
    while begin < end:
        part({parameters})
        begin, end = take(pointer)
"""


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
    begin = min(fetch_add(pointer, size.grain), size.n)
    return begin, min(begin + size.grain, size.n)


def _is_plain(value: Any, dtype: torch.dtype) -> bool:
    return (
        isinstance(value, torch.Tensor)
        and value.dtype is dtype
        and value.is_contiguous()
        and value.is_cpu
    )


@dataclass(frozen=True)
class Argument:
    """One argument of a loop.

    Attributes:
        loop: Name of the loop.
        name: Of the argument.
        dtype: Of a tensor; None for a number.
        shape: Of a tensor: numbers, and names of other arguments.
        is_optional: It may be left out.
    """

    loop: str
    name: str
    dtype: torch.dtype | None = None
    shape: tuple[int | str, ...] = ()
    is_optional: bool = False

    def check(self, value: Any) -> None:
        """Makes sure that a tensor is what the loop will take it for.

        Raises:
            TypeError: It is not.
        """
        is_tensor = isinstance(value, torch.Tensor)
        # ctypes looks at numbers
        if _is_plain(value, self.dtype) if self.dtype else not is_tensor:
            return
        got = type(value).__name__
        if is_tensor:
            strides = "" if value.is_contiguous() else f" with strides {value.stride()}"
            got = f"a {value.dtype} tensor on {value.device}{strides}"
        wanted = f"a contiguous {self.dtype} tensor on the CPU" if self.dtype else "a number"
        raise TypeError(f"{self.name} of the loop {self.loop} is {got}; {wanted} is expected")


class CompiledLoop:
    """A loop that is compiled on first use; see `loop`.

    Args:
        part: Does the units of work from `begin` to before `end`.

    Attributes:
        name: Of the function.
        part: The same, compiled; can be called with NumPy arrays.
        arguments: By name.
        dtypes: Of the arguments; None for numbers.
        structure: The arguments in memory.
    """

    def __init__(self, part: Callable[..., None]) -> None:
        if part.__closure__:
            # numba keeps compiled code by file, line and bytecode, which such functions share
            raise TypeError(f"the loop {part.__name__} uses variables of a function around it")
        self._function, self.name = part, part.__name__
        # put into the loop as it stands: what is compiled apart is optimised twice
        self.part = compiled(inline="always")(part)
        self.__doc__ = part.__doc__
        hints = get_type_hints(part, include_extras=True)
        self.arguments = {
            name: self._read(name, hints[name])
            for name in inspect.signature(part).parameters
            if name not in _GIVEN
        }
        self.dtypes = {name: argument.dtype for name, argument in self.arguments.items()}
        fields: list[tuple[str, Any]] = []
        for name, argument in self.arguments.items():
            if argument.dtype:
                fields += [(name, ctypes.c_uint64), (f"{name}_size", ctypes.c_int64)]
            else:
                fields.append((name, _NUMBERS[hints[name]]))
        self.structure = type("Arguments", (ctypes.Structure,), {"_fields_": [*_HEADER, *fields]})

    def _read(self, name: str, hint: Any) -> Argument:
        if get_origin(hint) is not Annotated:
            return Argument(self.name, name)
        array, *shape = get_args(hint)
        sizes = tuple(size for size in shape if size is not OPTIONAL)
        return Argument(self.name, name, _ARRAYS[array][0], sizes, OPTIONAL in shape)

    def _parameter(self, name: str) -> str:
        """How a parameter of `part` is made from what is given."""
        if name in ("begin", "end"):
            return name
        argument = self.arguments.get(name)
        if not argument or not argument.dtype:
            return f"given.{name}"
        shape = _in_code(argument.shape)
        [make] = (make for dtype, make in _ARRAYS.values() if dtype is argument.dtype)
        return f"{make}(given.{name}, ({', '.join(shape)},))"

    @functools.cached_property
    def _compiled(self) -> Any:
        code = self._function.__code__
        parameters = ", ".join(map(self._parameter, inspect.signature(self._function).parameters))
        too_small = [
            f"given.{name} != 0 and given.{name}_size < {' * '.join(_in_code(argument.shape))}"
            for name, argument in self.arguments.items()
            if argument.dtype
        ]
        text = _TEMPLATE.format(
            name=self.name, parameters=parameters, too_small=" or ".join(too_small) or "False"
        ).lstrip()
        # it stands where the function does: numba keeps compiled code by file and line
        text = "\n" * (code.co_firstlineno - 1) + text
        names = {"part": self.part, "arguments_at": arguments_at, "take": take, **vars(addresses)}
        exec(compile(text, code.co_filename, "exec"), names)  # noqa: S102  (the template above)
        pointer = types.CPointer(numba.from_dtype(np.dtype(self.structure)))
        return compiled_for(types.void(pointer))(names[f"{self.name}_loop"])

    @functools.cached_property
    def address(self) -> int:
        """Of the compiled code."""
        return int(self._compiled.address)


def _in_code(shape: tuple[int | str, ...]) -> list[str]:
    return [f"given.{size}" if isinstance(size, str) else str(size) for size in shape]


def loop(part: Callable[..., None]) -> CompiledLoop:
    """Declares a loop by a function that does a part of it.

    Args:
        part: Takes `begin` and `end`, `n` if it wants to know it, numbers (`int`, `float`), and
            arrays: `Annotated[Floats, "n", "width"]`, with sizes that are numbers or names of
            `int` arguments. One marked `OPTIONAL` may be left out, and is not to be read then.
    """
    return CompiledLoop(part)


class Loop:
    """A compiled loop with its arguments.

    Args:
        of: What `loop` returned.
        grain: Fewest units of work that are worth a thread.
        constants: Arguments that stay: numbers, and contiguous tensors for arrays, which may be
            larger than they need to be.

    Attributes:
        address: Of the compiled code.
        pointer: Address of its arguments.
        grain: See above.
        run: Runs the loop on this thread, given its arguments.

    Raises:
        TypeError: The loop has no such argument, or it is of another kind. So does a call.
        ValueError: A tensor is too small.
    """

    def __init__(self, of: CompiledLoop, grain: int, **constants: Any) -> None:
        self._of, self._arguments = of, of.structure()
        self._kept: dict[str, torch.Tensor] = {}
        unknown = constants.keys() - of.arguments.keys()
        if unknown:
            raise TypeError(
                f"the loop {of.name} has no argument {', '.join(sorted(unknown))}; it has "
                f"{', '.join(of.arguments)}"
            )
        self._set(constants)
        self._open = {
            name
            for name, argument in of.arguments.items()
            if name not in constants and not argument.is_optional
        }
        self.pointer = ctypes.addressof(self._arguments)
        self.address, self.grain = of.address, grain
        self.run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(of.address)

    def _set(self, values: dict[str, Any]) -> None:
        """Stores arguments; little is done here, as some steps take less than a millisecond."""
        arguments, dtypes = self._arguments, self._of.dtypes
        for name, value in values.items():
            dtype = dtypes[name]
            if dtype is None:
                if isinstance(value, torch.Tensor):  # ctypes would take it for a number
                    self._of.arguments[name].check(value)
                setattr(arguments, name, value)
                continue
            if not _is_plain(value, dtype):
                self._of.arguments[name].check(value)
            self._kept[name] = value  # alive for as long as its address is here
            setattr(arguments, name, value.data_ptr())
            setattr(arguments, name + "_size", value.numel())

    def __call__(self, n: int, **values: Any) -> None:
        """Runs `n` units of work.

        Args:
            n: How many.
            values: All arguments that are not constant.
        """
        n_threads = torch.get_num_threads()
        # one part for each: what a thread's cache holds is then what it works on in the next loop
        self.begin(n, max(self.grain, -(-n // n_threads)), values)
        self.run_begun()

    def run_begun(self) -> None:
        """Runs what `begin` has made ready."""
        n_threads, many = torch.get_num_threads(), self._arguments.n > self.grain
        runtime = openmp.find_openmp() if many and n_threads > 1 else None
        if runtime is None:
            self.run(self.pointer)
        else:
            runtime.fork(self.address, self.pointer, n_threads, 0)
        self.check_sizes()

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
        if values.keys() != self._open:
            raise TypeError(
                f"the loop {self._of.name} is given {', '.join(sorted(values)) or 'nothing'}; it "
                f"takes {', '.join(sorted(self._open)) or 'nothing'}"
            )
        self._set(values)
        arguments = self._arguments
        arguments.next, arguments.n, arguments.grain = 0, n, grain

    def check_sizes(self) -> None:
        """Tells that the loop has found a tensor too small, and done nothing.

        Raises:
            ValueError: It has.
        """
        if not self._arguments.refused:
            return
        self._arguments.refused = 0
        for name, tensor in self._kept.items():
            shape = self._of.arguments[name].shape
            sizes = [getattr(self._arguments, s) if isinstance(s, str) else s for s in shape]
            if tensor.numel() < math.prod(sizes):
                raise ValueError(
                    f"{name} of the loop {self._of.name} has {tensor.numel()} numbers; "
                    f"({', '.join(map(str, shape))}) is {' × '.join(map(str, sizes))}"
                )


class Meanwhile:
    """Runs a loop on the other threads while this one does what is in a `with` block.

    At the block's end, whatever ends it, this thread helps with what is left. In the block torch
    and other loops have this thread only; no other `Meanwhile` may be there. It is a class, not a
    generator, so that Ctrl-C finds few moments at which the team stays open.
    """

    def __init__(self, loop: Loop, n: int, beside: bool, values: dict[str, Any]) -> None:
        self._loop, self._n, self._values = loop, n, values
        others = beside and n > loop.grain and torch.get_num_threads() > 1
        self._openmp = openmp.find_openmp() if others else None

    def __enter__(self) -> None:
        loop, runtime = self._loop, self._openmp
        if not runtime:
            return
        while runtime.level():  # Ctrl-C found one of these moments
            runtime.end()
        loop.begin(self._n, loop.grain, self._values)
        try:
            runtime.start(loop.address, loop.pointer, torch.get_num_threads())
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
        self._loop.check_sizes()
