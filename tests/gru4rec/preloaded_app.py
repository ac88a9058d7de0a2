"""What gunicorn serves in `test_forking.py`: made on two threads before the workers are forked."""

from collections.abc import Callable, Iterable
from typing import Any

from forking_parent import events, gru, sessions

gru.fit(events)
gru.recommend(sessions)


def application(_environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(gru.recommend(sessions, k=5))).encode()]
