"""Options of the server."""

import os
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field

from gru4rec.errors import ConfigError

_VARIABLE = "GRU4REC_SERVER_OPTIONS"  # from the command to its workers


class ServerOptions(BaseModel):
    """Options of the server.

    Attributes:
        model: A model file, or a folder in which the newest `.pth` file is taken; a path or an
            address, whose store has its credentials in the environment.
        shortlists: Files of the only items to recommend, by name: UTF-8 text, an id a line.
        titles: A file of titles: UTF-8 text, an id, a tab and a title a line.
        device: Where the model goes.
        threads: What one batch of requests is scored on.
        compact: Score one session by a compact copy of the embeddings; see
            `GRU4Rec.add_compact_copy`.
        store: Where sessions are kept: `memory`, or an address such as `redis://localhost`.
        session_minutes: How long a session is kept after its last use.
        max_sessions: How many sessions there may be in memory.
        max_items: Most items of one request, and so many last ones are kept of a session.
        max_k: Most items that one answer recommends for a session.
        max_body: Most bytes of a request's body.
        body_seconds: How long a client may take to send it.
        reload_seconds: How often files are looked at; 0: never.
        api_key: What clients have to send as `Authorization: Bearer …`; empty: nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str | Path
    shortlists: dict[str, Path] = {}
    titles: Path | None = None
    device: str = "auto"
    threads: Annotated[int, Field(ge=1)] = 1
    compact: bool = False
    store: str = "memory"
    session_minutes: Annotated[float, Field(gt=0)] = 60.0
    max_sessions: Annotated[int, Field(ge=1)] = 100_000
    max_items: Annotated[int, Field(ge=1)] = 1000
    max_k: Annotated[int, Field(ge=20)] = 1000  # 20 are asked for by default
    max_body: Annotated[int, Field(ge=1)] = 1_000_000
    body_seconds: Annotated[float, Field(gt=0)] = 10.0
    reload_seconds: Annotated[float, Field(ge=0)] = 5.0
    api_key: str = Field("", repr=False)

    def to_environment(self) -> None:
        """Leaves the options to the workers that are started from now on."""
        os.environ[_VARIABLE] = self.model_dump_json()

    @classmethod
    def of_environment(cls) -> Self:
        """Takes what `to_environment` left.

        Raises:
            ConfigError: It left nothing.
        """
        if _VARIABLE not in os.environ:
            raise ConfigError("a worker is started by `gru4rec serve`")
        return cls.model_validate_json(os.environ[_VARIABLE])
