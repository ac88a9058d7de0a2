"""Where the time of a request goes."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator


class Clock:
    """Adds up the seconds of named parts of a request.

    Attributes:
        seconds: By name.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextlib.contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Adds the time of the block."""
        begun = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - begun

    def header(self) -> str:
        """Returns the value of the header `Server-Timing`, in milliseconds."""
        return ", ".join(f"{name};dur={1000 * s:.3f}" for name, s in self.seconds.items())
