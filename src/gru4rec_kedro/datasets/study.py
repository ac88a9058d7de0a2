"""Where the trials of a tuning are kept."""

import time
import warnings
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError

from gru4rec import ConfigError, MissingExtraError
from gru4rec.addresses import check_local
from gru4rec_kedro.errors import StoreError
from gru4rec_kedro.redaction import hide_login, hide_login_in

_HEARTBEATS = 6  # in the time of grace
_ATTEMPTS = 5
_WHY = (
    "trials are in an SQLite file, which needs the locks of a disk of this machine; give the url "
    "of a database as study_store in credentials.yml, or a local path in catalog.yml"
)


class StudyDataset(AbstractDataset[Any, Any]):
    """An Optuna storage: an SQLite file, or the database that the credentials name.

    What it loads is a handle: trials are read and written through it, by any number of processes.

    Args:
        filepath: The SQLite file.
        grace_seconds: A trial whose process has given no sign of life for so long counts no longer.
        credentials: `url`: address of a database instead, such as
            `postgresql+psycopg://user:password@host/name`.
        metadata: For plugins.
    """

    def __init__(
        self,
        *,
        filepath: str,
        grace_seconds: int = 60,
        credentials: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        self._grace_seconds = grace_seconds
        self._url = (credentials or {}).get("url")
        self._filepath = Path(filepath) if self._url else check_local(filepath, ConfigError, _WHY)
        self.metadata = metadata

    def load(self) -> Any:
        """Opens the store, which is made where there is none.

        Raises:
            MissingExtraError: Optuna is not installed.
            StoreError: The store cannot be opened; the message has no password.
        """
        try:
            from optuna.storages import RDBStorage  # noqa: PLC0415  (optional)
            from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415
        except ImportError as error:
            raise MissingExtraError.of("tuning", "tuning", error) from None
        options: dict[str, Any] = {}
        if self._url is None:
            self._filepath.parent.mkdir(parents=True, exist_ok=True)
            options = {"connect_args": {"timeout": 60}}  # seconds to wait for other processes
        url = self._url or f"sqlite:///{self._filepath.resolve()}"
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # Optuna calls heartbeats experimental
                    return RDBStorage(
                        url,
                        engine_kwargs=options,
                        heartbeat_interval=max(self._grace_seconds // _HEARTBEATS, 1),
                        grace_period=self._grace_seconds,
                    )
            except (SQLAlchemyError, ImportError, OSError, ValueError) as error:
                # processes that start together may both make the tables: the later one looks again
                if attempt == _ATTEMPTS or not isinstance(error, SQLAlchemyError):
                    raise StoreError(self._why_not(error)) from None
                time.sleep(0.2 * attempt)
        raise AssertionError

    def _why_not(self, error: Exception) -> str:
        reason = hide_login_in(str(error), str(self._url or "")).partition("\n")[0]
        return (
            f"cannot open the store of trials at {self._place()}: "
            f"{type(error).__name__}: {reason}; "
            "check its address in credentials.yml or its path in catalog.yml, and that its "
            "driver is installed"
        )

    def _place(self) -> str:
        return str(self._filepath) if self._url is None else hide_login(str(self._url))

    def save(self, data: Any) -> None:  # noqa: ARG002  (Kedro's signature)
        """Refuses: trials are written through what `load` returns.

        Raises:
            DatasetError: Always.
        """
        raise DatasetError("the store of trials is written through its handle")

    def _exists(self) -> bool:
        return self._url is not None or self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"store": self._place()}
