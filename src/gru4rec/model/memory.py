"""What memory a training needs, for which options, and whether an error is of memory."""

import math
import os
import re

import torch

from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.errors import OutOfMemoryError, shortened
from gru4rec.model.negatives import most_draws
from gru4rec.model.network import Architecture

_NUMBER = 4  # bytes of a float
_LACKING = re.compile(r"out of memory|not enough memory|can't allocate memory", re.IGNORECASE)
_ASKED_FOR = re.compile(r"allocate ([\d.]+) ?(\w+)")
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB", "EB")


def memory_of_training(
    config: ModelConfig,
    architecture: Architecture,
    options: TrainingConfig,
    n_new: int,
    is_new: bool,
) -> dict[str, int]:
    """Says what a training takes beside the data and the model as it is; a little too low.

    Args:
        config: Options of the model.
        architecture: Sizes that they ask for.
        options: Of `fit`.
        n_new: Items that the model does not know yet.
        is_new: Whether it has no weights yet.

    Returns:
        Bytes by what they are for, with the options that they grow with.
    """
    copies = 3 if config.momentum else 2  # weights, accumulators and velocities
    copies *= 2 if options.patience else 1  # and those of the best epoch
    tables = sum(math.prod(shape) for shape in architecture.table_shapes(n_new).values())
    dense = sum(math.prod(shape) for shape in architecture.dense_shapes().values())
    n_candidates = config.batch_size + config.n_sample
    n_draws = most_draws(config.n_sample, options.sample_cache_max_size) if config.n_sample else 0
    layers, momentum = list(config.layers), " and momentum" if config.momentum else ""
    return {
        f"tables of {n_new:,} new items (layers {layers}, embedding{momentum})": (
            tables * copies * _NUMBER
        ),
        f"GRU layers (layers {layers}{momentum})": dense * (1 + copies * is_new) * _NUMBER,
        f"mini-batches (batch_size {config.batch_size:,} × (batch_size + n_sample "
        f"{config.n_sample:,}), layers)": (
            2 * n_candidates * (config.batch_size + config.layers[-1])
            + 6 * config.batch_size * sum(config.layers)
        )
        * _NUMBER,
        f"negatives drawn ahead (n_sample {config.n_sample:,}, sample_cache_max_size)": (
            n_draws * 4 * _NUMBER  # the numbers and the items, 64 bits each
        ),
    }


def describe_needs(needs: dict[str, int]) -> str:
    """Says what needs how much, most first, and what to do."""
    largest = sorted(needs.items(), key=lambda need: -need[1])
    parts = ", ".join(f"{in_units(size)} for {what}" for what, size in largest if size)
    if not parts:
        return "the data alone are too large: use fewer events"
    return f"training takes {parts}, beside the data: lower these options, or use fewer items"


def refuse_absurd_sizes(needs: dict[str, int], device: torch.device) -> None:
    """Refuses what cannot fit: Linux promises memory that it does not have, and kills later.

    Args:
        needs: See `memory_of_training`.
        device: Where the model is.

    Raises:
        OutOfMemoryError: The device has less memory in all than is needed.
    """
    wanted, there = sum(needs.values()), _memory_of(device)
    if wanted > there:
        raise OutOfMemoryError(
            f"the options ask for {in_units(wanted)} of memory, and {device} has {in_units(there)}"
        )


def _memory_of(device: torch.device) -> int:
    """Bytes that a device has in all; where it does not say, more than any has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") + _swap()
    except (AttributeError, OSError, ValueError):  # Windows
        return 1 << 47


def _swap() -> int:
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            found = re.search(r"SwapTotal:\s+(\d+) kB", lines.read())
    except OSError:
        return 0
    return 1024 * int(found[1]) if found else 0


def why_out_of_memory(error: BaseException) -> str:
    """Says what an error tells of memory that was lacking; empty text for other errors.

    On a CPU torch raises a plain RuntimeError.
    """
    if isinstance(error, OutOfMemoryError):
        return str(error)
    message = str(error)
    if not isinstance(error, MemoryError | torch.OutOfMemoryError) and not (
        isinstance(error, RuntimeError) and _LACKING.search(message)
    ):
        return ""
    asked = _ASKED_FOR.search(message)
    if asked and asked[2] == "bytes":
        return f"memory ran out when {in_units(int(float(asked[1])))} more were asked for"
    if asked:
        return f"memory ran out when {asked[1]} {asked[2]} more were asked for"
    return f"memory ran out ({shortened(message) or type(error).__name__})"


def in_units(n_bytes: int) -> str:
    """Two digits and a unit."""
    power = min(max(0, (len(str(n_bytes)) - 1) // 3), len(_UNITS) - 1)
    return f"{n_bytes / 1000**power:.3g} {_UNITS[power]}"
