"""Queries that run out of room."""

import resource
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from gru4rec.preparation.engine.connection import private_connection, say_cannot_spill

SPILLS = "create table sorted as select range as i from range(3_000_000) order by hash(i)"


@pytest.fixture
def caught_spilling(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], duckdb.Error]:
    """Has a query spill that cannot; returns its error."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def spill(setting: str) -> duckdb.Error:
        connection = private_connection("20MB")
        connection.raw_sql(setting)
        with pytest.raises(duckdb.Error) as caught:
            connection.raw_sql(SPILLS)
        return caught.value

    return spill


def test_a_full_spill_disk_is_named_with_what_memory_limit_means(
    caught_spilling: Callable[[str], duckdb.Error], tmp_path: Path
) -> None:
    full = caught_spilling("set max_temp_directory_size = '1MB'")
    assert isinstance(full, duckdb.OutOfMemoryException)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, before[1]))
    try:
        refused = caught_spilling("set max_temp_directory_size = '1GB'")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(refused, duckdb.IOException)
    for error in (full, refused):
        said = say_cannot_spill(error)
        assert said is not None
        assert f"{tmp_path}/gru4rec/duckdb" in said
        assert "raise memory_limit: what queries may use, such as 4GB, before they" in said
        assert "\n" not in said


def test_other_errors_say_nothing_of_spilling() -> None:
    for error in (duckdb.OutOfMemoryException("could not allocate"), duckdb.IOException("x.csv")):
        assert say_cannot_spill(error) is None
