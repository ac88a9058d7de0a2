"""Where the time of a request goes."""

import time
from collections import defaultdict


class Clock:
    """Adds up the seconds of named parts of a request.

    Attributes:
        seconds: By name.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def span(self, name: str) -> "_Span":
        """Adds the time of a `with` block."""
        return _Span(self.seconds, name)

    def header(self) -> str:
        """Returns the value of the header `Server-Timing`, in milliseconds."""
        return ", ".join(f"{name};dur={1000 * s:.3f}" for name, s in self.seconds.items())


class _Span:
    # a generator with `contextmanager` would take several times as long
    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self._seconds, self._name = seconds, name

    def __enter__(self) -> None:
        self._begun = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self._seconds[self._name] += time.perf_counter() - self._begun
