"""Times and memory."""

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path

_STATUS, _FORGET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    repeats: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Median seconds of each function by a clock, after one call that is not counted.

    They take turns, so that what else the machine does meets all of them alike.
    """
    for function in functions.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            begun = clock()
            function()
            seconds[name].append(clock() - begun)
    return {name: statistics.median(times) for name, times in seconds.items()}


def memory_of(function: Callable[[], object]) -> float:
    """Bytes by which a call raises the process's memory at its peak (Linux)."""
    before = _read("VmRSS")
    _FORGET.write_text("5")  # the peak is now what is in use
    function()
    return max(0.0, _read("VmHWM") - before)


def peak_memory() -> float:
    """Bytes that the process had at most, or since `memory_of` was called (Linux)."""
    return _read("VmHWM")


def _read(name: str) -> float:
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(name)]
    return float(line.split()[1]) * 1024
