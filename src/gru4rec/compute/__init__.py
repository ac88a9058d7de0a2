"""The one door to computing: which engine computes on a device is chosen here, once.

Engines see tensors and arrays, never models, tables or configuration. `plain` is torch alone, on
any device; `compiled` has loops of its own on a CPU; `static` never waits for a GPU, and `fused`
has kernels of its own there; with the same results. The environment variable `GRU4REC_COMPUTE`
names the engine of the CPU, or `plain` or `static` for all devices; with `GRU4REC_CUDA_GRAPHS=0` a
GPU takes training steps one by one, with `all` it records those of fewer rows, too. A new engine is
a subclass of `Plain` that does better what it can do better, and an entry in `ENGINES`.
"""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from importlib import import_module

import torch

from gru4rec.compute.plain import (
    Background,
    Best,
    Compact,
    FewSessions,
    Floats,
    Ints,
    Plain,
    Record,
    SessionIndex,
    Went,
    zeros_like,
)
from gru4rec.compute.static import Static
from gru4rec.errors import ConfigError

__all__ = [
    "ENGINES",
    "Background",
    "Best",
    "Compact",
    "FewSessions",
    "Floats",
    "Ints",
    "Plain",
    "Record",
    "SessionIndex",
    "Static",
    "Went",
    "engine_of",
    "using",
    "zeros_like",
]

logger = logging.getLogger(__name__)

VARIABLE = "GRU4REC_COMPUTE"
GRAPHS_VARIABLE = "GRU4REC_CUDA_GRAPHS"
_STEPS = 32  # in a graph: launching it costs little then, and capturing it not yet much


def _make_fused() -> Plain:
    # Triton is where torch for NVIDIA GPUs is, on Linux
    engine: Plain = import_module("gru4rec.compute.fused.engine").Fused()
    return engine


def _make_compiled() -> Plain:
    # compiled loops take half a second to import: only those who compute pay for them
    engine: Plain = import_module("gru4rec.compute.compiled.engine").Compiled()
    return engine


# by name; each makes an engine, or raises ImportError where what it needs is missing
ENGINES: dict[str, Callable[[], Plain]] = {
    "plain": Plain,
    "compiled": _make_compiled,
    "static": Static,
    "fused": _make_fused,
}

_engines: dict[str, Plain] = {}  # by type of device
_lock = threading.Lock()


def engine_of(device: torch.device) -> Plain:
    """Returns what computes on a device; a log line tells the first time.

    Raises:
        ConfigError: `GRU4REC_COMPUTE` names no engine, or one that cannot be had here; or
            `GRU4REC_CUDA_GRAPHS` is not 0, 1 or all.
    """
    engine = _engines.get(device.type)
    if engine is None:
        with _lock:
            engine = _engines.get(device.type) or _choose(device)
            _engines[device.type] = engine
    return engine


@contextlib.contextmanager
def using(engine: str | Plain, device: str = "cpu") -> Iterator[Plain]:
    """Lets an engine compute for all threads while a block runs, as tests want it.

    Args:
        engine: It, or its name in `ENGINES`.
        device: Type of the devices that it computes on.
    """
    before = dict(_engines)
    _engines[device] = ENGINES[engine]() if isinstance(engine, str) else engine
    try:
        yield _engines[device]
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
    level, engine, why = logging.INFO, Plain(), ""
    if wanted and (device.type == "cpu" or wanted in {Plain.name, Static.name}):
        engine, why = _make(wanted, device), f", as {VARIABLE} says"
    elif device.type == "cuda":
        try:
            engine = ENGINES["fused"]()
            engine.try_out(device)
        except Exception as error:  # a compiler that is missing has many names
            engine, level = Static(), logging.WARNING
            why = f", slower than kernels of Triton, which cannot be had here: {error}"
    elif device.type == "cpu":
        try:
            engine = ENGINES["compiled"]()
        except ImportError as error:
            level = logging.WARNING
            why = f", slower than compiled loops, which cannot be had here: {error}"
    if device.type == "cuda" and isinstance(engine, Static):
        graphs = _wanted_graphs()
        engine.steps_together, engine.records_all = 1 if graphs == "0" else _STEPS, graphs == "all"
    logger.log(level, "Computing on %s: %s%s", device.type, engine.describe(), why)
    return engine


def _make(name: str, device: torch.device) -> Plain:
    try:
        engine = ENGINES[name]()
        engine.try_out(device)
    except Exception as error:  # what is missing has many names
        raise ConfigError(f"{VARIABLE} is {name!r}, which cannot be had here: {error}") from None
    return engine


def _wanted_graphs() -> str:
    """Which training steps make CUDA graphs: none (0), those of full batches (1 or "") or all."""
    given = os.environ.get(GRAPHS_VARIABLE, "")
    if given not in {"", "0", "1", "all"}:
        raise ConfigError(
            f"the environment variable {GRAPHS_VARIABLE} is {given!r}; expected 0 to run training "
            "steps one by one, 1 or nothing to record those of full batches as CUDA graphs, `all` "
            "to record the others, too"
        )
    return given
