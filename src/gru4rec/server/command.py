"""`gru4rec serve`: options of the command line, and the processes that serve."""

import argparse
import contextlib
import logging
import os
import sys
import tempfile
from pathlib import Path

import uvicorn
from pydantic import ValidationError

from gru4rec.errors import ConfigError
from gru4rec.server.app import create_app
from gru4rec.server.metrics import FOLDER_VARIABLE
from gru4rec.server.models import ModelKeeper
from gru4rec.server.options import ServerOptions
from gru4rec.server.stores import open_store
from gru4rec.server.writes import JoinedWrites

logger = logging.getLogger(__name__)

_DRAIN_SECONDS = 10
# longer than proxies keep an idle connection: who closes it first must be the one that sends on it
_IDLE_SECONDS = 75
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def serve(arguments: argparse.Namespace) -> None:
    """Serves until SIGTERM or Ctrl-C; requests that have begun are answered.

    Raises:
        GRU4RecError: An option or a file cannot be used.
    """
    options = _options(arguments)
    settings = {
        "host": arguments.host,
        "port": arguments.port,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": _DRAIN_SECONDS,
        "timeout_keep_alive": _IDLE_SECONDS,
        "log_config": _LOGGING,
        "http": JoinedWrites,
    }
    if not options.api_key and arguments.host not in _LOOPBACK:
        # before there is logging
        told = f"gru4rec: GRU4REC_API_KEY is not set: whoever reaches {arguments.host} is answered"
        print(told, file=sys.stderr)
    _allow_connections()
    if arguments.workers == 1:
        uvicorn.run(create_app(options), **settings)
        return
    if not open_store(options.store, 60, 1).is_shared:
        raise ConfigError(
            f"{arguments.workers} workers do not share sessions in memory; give them one store, "
            "such as --store redis://localhost"
        )
    ModelKeeper(options)  # what is wrong is said once, not by each worker
    options.to_environment()
    os.environ.setdefault("OMP_NUM_THREADS", str(options.threads))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ[FOLDER_VARIABLE] = folder
        app = f"{create_app.__module__}:{create_app.__name__}"
        uvicorn.run(app, factory=True, workers=arguments.workers, **settings)


def _allow_connections() -> None:
    """Lets this process, and its workers, open as many files as the system lets it.

    Each connection is one. Many systems begin with 1,024 for the sake of old programs, and a server
    that has reached them answers nobody who is not connected yet.
    """
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows; macOS has a lower limit
        import resource  # noqa: PLC0415

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _options(arguments: argparse.Namespace) -> ServerOptions:
    given = {
        name: value
        for name, value in vars(arguments).items()
        if name in ServerOptions.model_fields and value is not None
    }
    try:
        given["shortlists"] = dict(_named(text) for text in arguments.shortlists)
        return ServerOptions(**given, api_key=os.environ.get("GRU4REC_API_KEY", ""))
    except ValidationError as error:
        mistakes = [f"{e['loc'][0]}: {e['msg']}" for e in error.errors()]
        raise ConfigError("; ".join(mistakes)) from None


def _named(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not name or not equals or not path:
        raise ConfigError(f"a shortlist is given as name=file, not {text!r}")
    return name, Path(path)


_LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(process)d %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    # items that are unknown are counted in the answer and in the metrics, not in a line a request
    "loggers": {"gru4rec.recommender": {"level": "ERROR"}},
}
