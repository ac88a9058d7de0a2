"""The one door to computing: which engine computes on a device is chosen here, once.

Engines see tensors and arrays, never models, tables or configuration. `plain` is torch alone, on
any device; `compiled` has loops of its own on a CPU, with the same results. The environment
variable `GRU4REC_COMPUTE` names the engine of the CPU. A new engine is a subclass of `Plain` that
does better what it can do better, and an entry in `ENGINES`.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from importlib import import_module

import torch

from gru4rec.compute.plain import Best, Compact, Plain, SessionIndex, zeros_like
from gru4rec.errors import ConfigError

__all__ = [
    "ENGINES",
    "Best",
    "Compact",
    "Plain",
    "SessionIndex",
    "engine_of",
    "using",
    "zeros_like",
]

logger = logging.getLogger(__name__)

VARIABLE = "GRU4REC_COMPUTE"


def _make_compiled() -> Plain:
    # compiled loops take half a second to import: only those who compute pay for them
    engine: Plain = import_module("gru4rec.compute.compiled.engine").Compiled()
    return engine


# by name; each makes an engine, or raises ImportError where what it needs is missing
ENGINES: dict[str, Callable[[], Plain]] = {"plain": Plain, "compiled": _make_compiled}

_engines: dict[str, Plain] = {}  # by type of device
_lock = threading.Lock()


def engine_of(device: torch.device) -> Plain:
    """Returns what computes on a device; a log line tells the first time.

    Raises:
        ConfigError: `GRU4REC_COMPUTE` names no engine, or one that cannot be had here.
    """
    engine = _engines.get(device.type)
    if engine is None:
        with _lock:
            engine = _engines.get(device.type) or _choose(device)
            _engines[device.type] = engine
    return engine


@contextlib.contextmanager
def using(engine: str | Plain) -> Iterator[Plain]:
    """Lets an engine compute on the CPU for all threads while a block runs, as tests want it.

    Args:
        engine: It, or its name in `ENGINES`.
    """
    before = dict(_engines)
    _engines["cpu"] = ENGINES[engine]() if isinstance(engine, str) else engine
    try:
        yield _engines["cpu"]
    finally:
        _engines.clear()
        _engines.update(before)


def _choose(device: torch.device) -> Plain:
    wanted = os.environ.get(VARIABLE, "")
    if wanted and wanted not in ENGINES:
        raise ConfigError(
            f"the environment variable {VARIABLE} is {wanted!r}; expected {', '.join(ENGINES)}, or "
            "leave it out"
        )
    level = logging.INFO
    if device.type != "cpu":
        engine, why = Plain(), ""
    elif wanted:
        engine, why = _make(wanted), f", as {VARIABLE} says"
    else:
        try:
            engine, why = ENGINES["compiled"](), ""
        except ImportError as error:
            engine, level = Plain(), logging.WARNING
            why = f", slower than compiled loops, which cannot be had here: {error}"
    logger.log(level, "Computing on %s: %s%s", device.type, engine.describe(), why)
    return engine


def _make(name: str) -> Plain:
    try:
        return ENGINES[name]()
    except ImportError as error:
        raise ConfigError(f"{VARIABLE} is {name!r}, which cannot be had here: {error}") from None
