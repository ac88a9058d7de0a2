"""Arrays at addresses, and asking for memory before it is used: what numba lacks."""

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic


@intrinsic
def fetch_add(_: Any, pointer: Any, step: Any) -> Any:  # noqa: ARG001  (numba reads the names)
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
_int_pointer, _byte_pointer = _as_pointer(types.int64), _as_pointer(types.int8)


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
def signed_bytes(address: Any, shape: Any) -> Any:
    """The array of 8-bit integers at an address."""
    return numba.carray(_byte_pointer(address), shape)


@intrinsic
def _address_of(_: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, values[0]).data
        return builder.ptrtoint(data, ir.IntType(64))

    return types.int64(array), generate


def ask_for_line(builder: Any, pointer: Any) -> None:
    """Makes the code that asks for the line of memory at a pointer, as far as the second cache.

    Several times as many lines can be on their way to that as to the first one.
    """
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = builder.module.declare_intrinsic(
        "llvm.prefetch", [byte], ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag])
    )
    # to be read, kept in all caches but the first, data
    given = [builder.bitcast(pointer, byte), *(flag(number) for number in (0, 2, 1))]
    builder.call(function, given)


@intrinsic
def _prefetch_line(_: Any, address: Any) -> Any:
    """Does what `ask_for_line` does, given an address as a number."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        ask_for_line(builder, builder.inttoptr(values[0], ir.IntType(8).as_pointer()))
        return context.get_dummy_value()

    return types.void(address), generate


@numba.njit(inline="always")
def prefetch(array: Any, row: Any) -> None:
    """Asks for a row of an array, or one number of an array (n,), which is wanted soon.

    Of a long row it asks for the first lines: the processor sees by itself how it goes on. The row
    may lie outside the array.
    """
    size = array.strides[0]
    for line in range(0, min(size, 512), 64):
        _prefetch_line(_address_of(array) + size * row + line)
