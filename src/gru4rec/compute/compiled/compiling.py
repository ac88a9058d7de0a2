"""Compiles loops, and keeps the compiled code in the user's cache folder.

numba compiles a loop again when the file changes that it stands in. Functions and numbers of other
files are compiled into it, too, so here the code of all these files together has a folder of its
own: after an update nothing that was compiled before it is found.
"""

import contextlib
import hashlib
import logging
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
import platformdirs

logger = logging.getLogger(__name__)

_config: Any = numba.config
_lock = threading.RLock()
_UNUSED_SECONDS = 30 * 24 * 60 * 60  # after that the code of other versions is removed


def sources() -> list[Path]:
    """Files of everything that is compiled, or whose numbers are."""
    folder = Path(__file__).parents[1]
    return sorted({*folder.rglob("*.py")} - {folder / "__init__.py"})


def compiled(**options: Any) -> Callable[[Any], Any]:
    """A decorator for functions that are compiled on first use.

    Args:
        options: Of `numba.njit`, besides those that all have.
    """
    return _cached(
        lambda cache: numba.njit(nogil=True, error_model="numpy", cache=cache, **options)
    )


def compiled_for(signature: Any) -> Callable[[Any], Any]:
    """A decorator for functions that are compiled at once, and called by their address.

    Args:
        signature: Types of result and arguments.
    """
    return _cached(
        lambda cache: numba.cfunc(signature, nopython=True, error_model="numpy", cache=cache)
    )


def _cached(decorator: Callable[[bool], Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Names the folder for what is decorated; others of the process keep theirs."""

    def decorated(function: Any) -> Any:
        # code that was typed in has no file that tells whether it is still the same
        decorate = decorator(_IS_KEPT and Path(function.__code__.co_filename).is_file())
        with _lock:
            before = _config.CACHE_DIR
            _config.CACHE_DIR = str(_FOLDER)
            try:
                return decorate(function)
            finally:
                _config.CACHE_DIR = before

    return decorated


def _find_folder() -> Path:
    digest = hashlib.sha256()
    for file in sources():
        digest.update(file.read_bytes())
    # NUMBA_CACHE_DIR, if that is set
    chosen = _config.CACHE_DIR or Path(platformdirs.user_cache_dir("gru4rec")) / "numba"
    return Path(chosen) / f"code-{digest.hexdigest()[:16]}"


def _is_writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
        if not any(folder.iterdir()):
            logger.info("Loops are compiled on first use, which takes some seconds, this once")
    except OSError as error:
        logger.warning(
            "Compiled code cannot be kept, so that each process takes some seconds to compile it: "
            "%s; let NUMBA_CACHE_DIR name a folder that can be written",
            error,
        )
        return False
    return True


def remove_unused(folder: Path) -> None:
    """Notes that a folder is used, and removes those beside it that were not for 30 days."""
    before = time.time() - _UNUSED_SECONDS
    with contextlib.suppress(OSError):  # another process may be at it
        os.utime(folder)
        for other in folder.parent.iterdir():
            if other.stat().st_mtime < before:
                shutil.rmtree(other, ignore_errors=True)


_FOLDER = _find_folder()
_IS_KEPT = _is_writable(_FOLDER)
if not _config.CACHE_DIR:  # what else is in a folder of the user's choice is not ours
    remove_unused(_FOLDER)
