"""Where tensors are: the option `device` and what this machine has."""

import re
from typing import TYPE_CHECKING, Any

from gru4rec.errors import ConfigError, shown

if TYPE_CHECKING:
    import torch

DEVICE = r"auto|cpu|mps|cuda(:\d+)?"


def as_name(device: Any) -> Any:
    """Turns a `torch.device` into the option's text; a configuration can be read without torch."""
    if type(device).__module__ != "torch":
        return device
    return str(device) if device.type == "cuda" else device.type  # of others there is one


def resolve_device(device: "str | torch.device") -> "torch.device":
    """Turns a `device` option into a device that this machine has.

    Args:
        device: `auto` (CUDA, then MPS, then CPU), `cpu`, `mps`, `cuda` or `cuda:N`, or a
            `torch.device`.

    Raises:
        ConfigError: The device is not on this machine.
    """
    import torch  # noqa: PLC0415  (a configuration can be read without torch)

    name = as_name(device)
    if not isinstance(name, str) or not re.fullmatch(DEVICE, name):
        raise ConfigError(f"device is {shown(name)}; expected auto, cpu, mps, cuda or cuda:N")

    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    found = torch.device(name)
    available = {
        "cpu": 1,
        "mps": int(torch.backends.mps.is_available()),
        "cuda": torch.cuda.device_count(),
    }[found.type]
    if (found.index or 0) >= available:
        raise ConfigError(
            f"device is {name!r}, but torch sees {available} {found.type} device(s) here; "
            "use 'auto' or 'cpu', or install a torch build for this device"
        )
    return found
