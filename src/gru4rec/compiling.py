"""Compiles loops, and keeps the compiled code in the user's cache folder.

numba compiles a loop again when the file changes that it stands in. Functions and numbers of other
files are compiled into it, too, so here the code of all these files together has a folder of its
own: after an update nothing that was compiled before it is found.
"""

import contextlib
import hashlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import platformdirs

_config: Any = numba.config
_lock = threading.RLock()
_UNUSED_SECONDS = 30 * 24 * 60 * 60  # after that the code of other versions is removed


def sources() -> list[Path]:
    """Files of everything that is compiled, or whose numbers are."""
    package = Path(__file__).parent
    others = [package / name for name in ("compiling.py", "losses.py", "parallel.py")]
    return sorted([*package.rglob("*kernels.py"), *others])


def _digest() -> str:
    digest = hashlib.sha256()
    for file in sources():
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


_NAME = f"code-{_digest()}"


@contextlib.contextmanager
def _caching() -> Iterator[None]:
    """Names the folder for what is decorated in a block; others of the process keep theirs."""
    with _lock:
        before = _config.CACHE_DIR  # NUMBA_CACHE_DIR, if that is set
        _config.CACHE_DIR = str(Path(before or _cache_folder()) / _NAME)
        try:
            yield
        finally:
            _config.CACHE_DIR = before


def _cache_folder() -> Path:
    return Path(platformdirs.user_cache_dir("gru4rec")) / "numba"


def compiled(**options: Any) -> Callable[[Any], Any]:
    """A decorator for functions that are compiled on first use.

    Args:
        options: Of `numba.njit`, besides those that all have.
    """
    decorate = numba.njit(nogil=True, cache=True, error_model="numpy", **options)

    def decorated(function: Any) -> Any:
        with _caching():
            return decorate(function)

    return decorated


def compiled_for(signature: Any) -> Callable[[Any], Any]:
    """A decorator for functions that are compiled at once, and called by their address.

    Args:
        signature: Types of result and arguments.
    """
    decorate = numba.cfunc(signature, nopython=True, cache=True, error_model="numpy")

    def decorated(function: Any) -> Any:
        with _caching():
            return decorate(function)

    return decorated


def remove_unused(folder: Path) -> None:
    """Removes the code of other versions, unless it was used in the last 30 days."""
    before = time.time() - _UNUSED_SECONDS
    with contextlib.suppress(OSError):  # there is none yet, or it may only be read
        os.utime(folder / _NAME)
        for other in folder.iterdir():
            if other.stat().st_mtime < before:
                shutil.rmtree(other, ignore_errors=True)


remove_unused(_cache_folder())
