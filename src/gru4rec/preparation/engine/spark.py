"""Tables on Spark, on the session that is there, or on one that is started once it is needed."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gru4rec.errors import MissingExtraError, SparkError
from gru4rec.preparation.engine.spark_errors import first_line

if TYPE_CHECKING:
    from gru4rec.preparation.engine.spark_backend import SparkBackend

_log = logging.getLogger(__name__)

# equal rows on all engines need the first two; the last brings pandas frames as Arrow
_OURS = {
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.ansi.enabled": "true",
    "spark.sql.execution.arrow.pyspark.enabled": "true",
}
_LOCK = threading.RLock()
_options: dict[str, str] = {}
_shared: "list[SparkBackend]" = []  # one or none


def configure_spark(options: Mapping[str, Any]) -> None:
    """Says what `spark_connection` starts a session with; starts none.

    Args:
        options: Of Spark, by their names (`spark.driver.memory`). Where a session is there already,
            those count, at once, that a session may change.

    Raises:
        SparkError: Such a session does not take one of them.
    """
    with _LOCK:
        _options.clear()
        _options.update({name: _as_text(value) for name, value in options.items()})
        if _shared and _is_alive(_shared[0].session):
            _set_up(_shared[0].session)


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def spark_connection() -> "SparkBackend":
    """Returns the connection to Spark that this process shares.

    A session that is there, such as that of a notebook, is not touched: a second session beside it
    has the same tables, catalog and database, its options but for ours (UTC, ANSI), and temporary
    views of its own. Where there is none, one is started, as `configure_spark` says.

    Raises:
        MissingExtraError: pyspark is not installed.
        SparkError: A session cannot be started, for instance without Java, or does not take an
            option.
    """
    with _LOCK:
        if _shared and _is_alive(_shared[0].session):
            return _shared[0]
        try:
            from gru4rec.preparation.engine.spark_backend import SparkBackend  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError.of("spark", "reading tables of Spark", error) from None
        found = find_session()
        session = _beside(found) if found is not None else _start()
        _set_up(session)
        backend = SparkBackend()
        backend.register_options()
        backend.do_connect(session)
        _shared[:] = [backend]
        return backend


def find_session() -> Any:
    """Finds the Spark session that is there, also where another thread started it; or None."""
    try:
        from pyspark import SparkContext  # noqa: PLC0415  (optional)
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError:
        return None
    active = SparkSession.getActiveSession()
    if active is not None:
        return active
    # on Databricks there always is one; elsewhere this would start one where none is
    if "DATABRICKS_RUNTIME_VERSION" in os.environ or SparkContext._active_spark_context:  # noqa: SLF001
        return SparkSession.builder.getOrCreate()
    return None


def _beside(found: Any) -> Any:
    try:
        return found.newSession()
    except Exception as error:  # Spark Connect has no such thing, and says so in several ways
        _log.warning(
            "This Spark session is used as it is, and set to UTC and ANSI, because it allows no "
            "second one beside it (%s)",
            first_line(error),
        )
        return found


def _set_up(session: Any) -> None:
    """Gives a session the place and the options of the one that was found, then ours."""
    found = find_session()
    if found is not None and found is not session:
        session.catalog.setCurrentCatalog(found.catalog.currentCatalog())
        session.catalog.setCurrentDatabase(found.catalog.currentDatabase())
        now = session.conf.getAll
        for name, value in found.conf.getAll.items():
            if name not in _OURS and now.get(name) != value:
                # Spark knows no list of what may be set: keys of a store are nowhere declared
                with contextlib.suppress(Exception):
                    session.conf.set(name, value)
    for name, value in {**_options, **_OURS}.items():
        try:
            if session.conf.isModifiable(name):
                session.conf.set(name, value)
        except Exception as error:  # each way to Spark has its own
            raise SparkError(f"{name} cannot be {value!r} in Spark: {first_line(error)}") from error


def _start() -> Any:
    from pyspark.sql import SparkSession  # noqa: PLC0415

    builder = SparkSession.builder.appName("gru4rec")
    for name, value in {**_options, **_OURS}.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # of pyspark, Py4J or Python, such as FileNotFoundError
        raise SparkError(
            f"Spark cannot be started ({first_line(error)}). It needs Java 17 or 21 (java on the "
            "PATH, or JAVA_HOME), and options that it knows in spark.yml"
        ) from error
    context = getattr(session, "sparkContext", None)  # that of Spark Connect has none
    if context and context.master.startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable  # not the first python3 of the PATH, which lacks us
    return session


def _is_alive(session: Any) -> bool:
    context = getattr(session, "_sc", None)  # that of Spark Connect has none
    return context is None or context._jsc is not None  # noqa: SLF001
