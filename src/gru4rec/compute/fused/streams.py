"""Where on a GPU work runs."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch


def on(device: torch.device) -> AbstractContextManager[object]:
    """Lets Triton launch on a device, which it does not see from its arguments."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


class Beside:
    """Lets some work run beside what is asked for next, in graphs, too.

    What that work reads must be kept until `join`.

    Args:
        device: Elsewhere than on a GPU one thing is done after the other.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """What is asked for in this block waits for what was asked for before it."""
        if self._stream is None:
            yield
            return
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            yield

    def join(self) -> None:
        """What is asked for from now on waits for all of it."""
        if self._stream is not None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)
