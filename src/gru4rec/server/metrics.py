"""What Prometheus reads."""

import functools
import os

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

# where workers share their numbers; prometheus_client reads the same variable
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

CLICKS = ("known", "unknown", "repeated")
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Metrics:
    """Counters and times of one server; of all its workers where there are several.

    Those of several kinds are functions of the labels, which would take longer to be looked up.
    """

    def __init__(self) -> None:
        self._registry = to = CollectorRegistry()
        requests = Counter(
            "gru4rec_requests", "Requests.", ["method", "route", "status"], registry=to
        )
        seconds = Histogram(
            "gru4rec_request_seconds",
            "Time to the answer.",
            ["route"],
            registry=to,
            buckets=_BUCKETS,
        )
        parts = Histogram(
            "gru4rec_part_seconds", "Its time in a part.", ["part"], registry=to, buckets=_BUCKETS
        )
        clicks = Counter("gru4rec_clicks", "Clicks.", ["kind"], registry=to)
        for kind in CLICKS:
            clicks.labels(kind)  # 0 is told, too
        self.requests = functools.cache(requests.labels)
        self.seconds = functools.cache(seconds.labels)
        self.parts = functools.cache(parts.labels)
        self.clicks = functools.cache(clicks.labels)
        self.batches = Histogram(
            "gru4rec_batch_requests",
            "Requests that were scored together.",
            registry=to,
            buckets=(1, 2, 4, 8, 16),
        )
        self.reloads = Counter("gru4rec_reloads", "Newer files.", ["outcome"], registry=to)
        self.store_errors = Counter(
            "gru4rec_store_errors", "Requests while the store was away.", registry=to
        )
        self.loaded_at = Gauge(
            "gru4rec_model_loaded_timestamp_seconds",
            "When the model was loaded.",
            registry=to,
            multiprocess_mode="livemostrecent",
        )

    def text(self) -> bytes:
        """Returns all of it as Prometheus reads it."""
        if FOLDER_VARIABLE not in os.environ:
            return generate_latest(self._registry)
        of_all = CollectorRegistry()
        multiprocess.MultiProcessCollector(of_all)  # type: ignore[no-untyped-call]
        return generate_latest(of_all)
