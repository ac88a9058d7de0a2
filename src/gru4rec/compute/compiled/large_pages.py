"""Large pages of memory for tables that are read in no particular order.

The rows of a table of hundreds of megabytes lie on more pages than a processor remembers the
addresses of: most rows then cost a look-up of their page besides the wait for memory.
"""

import ctypes
import functools
import sys
from typing import Any

from torch import Tensor

_PAGE = 1 << 21
_HUGEPAGE, _COLLAPSE = 14, 25  # advice to Linux: for pages to come, and for those that are there


def use_large_pages(*tensors: Tensor) -> None:
    """Asks the system to keep tensors on the CPU in large pages; it may refuse, and only Linux can.

    Changes no value and no address.
    """
    advise = _madvise()
    for tensor in tensors if advise else ():
        first = -(-tensor.data_ptr() // _PAGE) * _PAGE
        size = (tensor.data_ptr() + tensor.nbytes - first) // _PAGE * _PAGE
        if size > 0:
            advise(first, size, _HUGEPAGE)
            advise(first, size, _COLLAPSE)


@functools.cache
def _madvise() -> Any:
    if sys.platform != "linux":
        return None
    function = ctypes.CDLL(None).madvise
    function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return function
