import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gru4rec import read_log
from gru4rec.errors import DataError

MIXED = b"a,b\r\n1,2\n"


def test_a_copy_is_made_once_and_told(
    tmp_path: Path, cache_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "log.csv").write_bytes(MIXED)
    with caplog.at_level(logging.INFO):
        for _ in range(2):
            assert read_log(tmp_path / "log.csv").to_pyarrow().to_pydict() == {
                "a": ["1"],
                "b": ["2"],
            }
    assert caplog.text.count("rewritten in the cache folder first: its lines end in different") == 1
    assert len([*cache_folder.rglob("log.csv.txt")]) == 1
    (tmp_path / "log.csv").write_bytes(MIXED + b"3,4\n")
    assert read_log(tmp_path / "log.csv").to_pyarrow().to_pydict() == {
        "a": ["1", "3"],
        "b": ["2", "4"],
    }
    assert [path.name for path in tmp_path.glob("*.csv*")] == ["log.csv"]


def test_plain_files_are_not_copied(tmp_path: Path, cache_folder: Path) -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        (tmp_path / "log.csv").write_bytes(MIXED.replace(b"\r\n", b"\n").replace(b"\n", end))
        assert read_log(tmp_path / "log.csv").to_pyarrow().to_pydict() == {"a": ["1"], "b": ["2"]}
    assert not [*cache_folder.rglob("*.txt")]


def test_copies_go_when_the_process_ends(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_bytes(MIXED)
    script = (
        "import sys; from gru4rec import read_log; from pathlib import Path\n"
        "print(read_log(sys.argv[1]).to_pyarrow()['a'].to_pylist())\n"
        "print(len([*Path(sys.argv[2]).rglob('log.csv.txt')]))"
    )
    cache = tmp_path / "cache"
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "log.csv"), str(cache)],
        env=os.environ | {"XDG_CACHE_HOME": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "['1']\n1\n"
    assert not [*cache.rglob("*.txt")]
    assert not [*cache.rglob("text-*")]


def test_copies_of_a_killed_process_go_with_the_next(tmp_path: Path, cache_folder: Path) -> None:
    script = (
        "import os, sys; from gru4rec import read_log\n"
        "read_log(sys.argv[1]); os._exit(9)"  # as when it is killed
    )
    (tmp_path / "log.csv").write_bytes(MIXED)
    for n_left in (1, 1):
        subprocess.run([sys.executable, "-c", script, str(tmp_path / "log.csv")], check=False)
        assert len([*cache_folder.rglob("log.csv.txt")]) == n_left
    read_log(tmp_path / "log.csv")  # of this process
    read_log(tmp_path / "log.csv")
    assert len([*cache_folder.rglob("log.csv.txt")]) == 1


def test_without_a_cache_folder_the_reason_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gru4rec.preparation import plain_copies

    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    plain_copies.cache_folder.cache_clear()
    (tmp_path / "log.csv").write_bytes(MIXED)
    with pytest.raises(DataError, match=r"log\.csv: its lines end .*must be rewritten .*directory"):
        read_log(tmp_path / "log.csv")
    plain_copies.cache_folder.cache_clear()
