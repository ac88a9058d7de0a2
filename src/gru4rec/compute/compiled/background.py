"""A thread that runs compiled loops without Python's lock, while Python does something else.

A thread of Python's own would ask for the lock before and after each loop, and wait for it, and let
others wait, as long as there is something else to do.
"""

import ctypes
import functools
import os
import threading
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from gru4rec.compute.compiled.addresses import ints
from gru4rec.compute.compiled.compiling import compiled_for
from gru4rec.compute.compiled.sessions import FewSessions

_RUNS, _WOKEN, _DONE, _CALLS, _N_CALLS, _BYTE = range(6)
_pointer = types.CPointer(types.int64)
_libc = types.int64(types.int32, _pointer, types.int64)
_read, _write = types.ExternalFunction("read", _libc), types.ExternalFunction("write", _libc)


@intrinsic
def _call(_: Any, address: Any, pointer: Any) -> Any:
    """Calls the function at an address."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        function = ir.FunctionType(ir.VoidType(), [byte]).as_pointer()
        builder.call(builder.inttoptr(values[0], function), [builder.inttoptr(values[1], byte)])
        return context.get_dummy_value()

    return types.void(address, pointer), generate


@intrinsic
def _place(_: Any, pointer: Any, number: Any) -> Any:
    """The pointer to a number of an array."""

    def generate(_context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        return builder.gep(values[0], [values[1]])

    return _pointer(pointer, number), generate


def _work(pointer: Any) -> None:
    """Runs loops whenever a byte comes, and sends one when it has."""
    given = numba.carray(pointer, 6)
    while True:
        n_bytes = _read(given[_WOKEN], _place(pointer, _BYTE), 1)
        if not given[_RUNS]:
            return
        if n_bytes == 1:  # else a signal came
            calls = ints(given[_CALLS], (given[_N_CALLS], 2))
            for i in range(len(calls)):
                _call(calls[i, 0], calls[i, 1])
            _write(given[_DONE], _place(pointer, _BYTE), 1)


@functools.cache
def _compiled_work() -> Any:
    """Compiled where it is wanted: those who only train do not pay for it."""
    return compiled_for(types.void(_pointer))(_work)


class Background:
    """One thread, which lets one batch of sessions after the other go on.

    Raises:
        OSError: There are no more files or threads to be had.
    """

    def __init__(self) -> None:
        woken, self._wake = os.pipe()
        self._done, done = os.pipe()
        self._files = woken, self._wake, self._done, done
        self._given = np.array([1, woken, done, 0, 0, 0])
        self._sessions: FewSessions | None = None
        self._work = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(_compiled_work().address)
        self._thread = threading.Thread(target=self._run, name="sessions", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        # a method, so that what the thread works with stays for as long as it does
        self._work(self._given.ctypes.data)

    def begin(self, sessions: FewSessions) -> None:
        """Begins with sessions that are ready, on this one thread; the last ones have ended."""
        self._sessions = sessions  # alive for as long as the thread works with them
        self._given[[_CALLS, _N_CALLS]] = sessions.calls.ctypes.data, len(sessions.calls)
        os.write(self._wake, b"\0")

    def fileno(self) -> int:
        """Returns the file that can be read when they have ended."""
        return self._done

    def end(self) -> None:
        """Waits until they have ended."""
        try:
            os.read(self._done, 1)
        except BlockingIOError:  # uvloop has made it so, as it does with all files that it looks at
            os.set_blocking(self._done, True)
            os.read(self._done, 1)
        self._sessions = None

    def close(self) -> None:
        """Ends the thread; nothing has begun that has not ended."""
        self._given[_RUNS] = 0
        os.write(self._wake, b"\0")
        self._thread.join()
        for file in self._files:
            os.close(file)
