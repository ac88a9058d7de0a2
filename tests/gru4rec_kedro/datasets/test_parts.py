import os
import re
import time

import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from kedro.io import DatasetError

from gru4rec import GRU4RecError
from gru4rec_kedro.datasets import Part, Parts, PartsDataset
from gru4rec_kedro.errors import FolderInUseError


class Recorder:
    """Makes parts of one value each, and remembers which."""

    def __init__(self):
        self.made = []

    def parts(self, *values, fail_at=None):
        def make(value):
            if value == fail_at:
                raise RuntimeError("ended")
            self.made.append(value)
            return pa.table({"value": [value]})

        return Parts(lambda: (Part(f"key {v}", lambda v=v: make(v)) for v in values))


@pytest.fixture
def recorder():
    return Recorder()


@pytest.fixture
def dataset(tmp_path):
    return PartsDataset(path=str(tmp_path / "folder/parts"))


def values(dataset):
    return sorted(dataset.load().to_pyarrow()["value"].to_pylist())


def test_parts_are_one_table(dataset, recorder):
    assert not dataset.exists()
    dataset.save(recorder.parts(1, 2, 3))
    assert dataset.exists()
    assert values(dataset) == [1, 2, 3]
    assert dataset.preview(1)["data"] == [[1]]


def test_only_parts_with_another_key_are_made_again(dataset, recorder):
    dataset.save(recorder.parts(1, 2, 3))
    dataset.save(recorder.parts(1, 9, 3, 4))
    assert recorder.made == [1, 2, 3, 9, 4]
    assert values(dataset) == [1, 3, 4, 9]


def test_parts_of_a_longer_run_go(dataset, recorder, tmp_path):
    dataset.save(recorder.parts(1, 2, 3))
    # one that sorts before those that stay
    (tmp_path / "folder/parts/part-00000-of-another.parquet").touch()
    dataset.save(recorder.parts(1))
    assert values(dataset) == [1]


def test_parts_of_others_stay(dataset, recorder, tmp_path):
    folder = tmp_path / "folder/parts"
    folder.mkdir(parents=True)
    # as Spark leaves them
    pq.write_table(pa.table({"value": [7]}), folder / "part-00000-6a-c000.snappy.parquet")
    (folder / "_SUCCESS").touch()
    with pytest.raises(DatasetError, match=r"part-00000-6a-c000\S+ is none of the parts .* remove"):
        dataset.save(recorder.parts(1))
    assert recorder.made == []
    assert values(dataset) == [7]


def test_what_was_made_before_the_end_of_a_run_stays(dataset, recorder, tmp_path):
    with pytest.raises(DatasetError, match="ended"):
        dataset.save(recorder.parts(1, 2, 3, fail_at=3))
    assert not dataset.exists()
    with pytest.raises(GRU4RecError, match="parts is not complete; run the pipeline"):
        dataset.load()
    left = tmp_path / "folder/parts/.part-00002.parquet.left"
    left.touch()
    os.utime(left, (time.time() - 25 * 60 * 60,) * 2)
    (tmp_path / "folder/parts/part-00001.parquet").write_bytes(b"damaged")
    dataset.save(recorder.parts(1, 2, 3))
    assert recorder.made == [1, 2, 2, 3]
    assert values(dataset) == [1, 2, 3]
    assert not list((tmp_path / "folder/parts").glob(".*"))


def test_temporary_files_of_a_writer_at_work_stay(dataset, recorder, tmp_path):
    dataset.save(recorder.parts(1))
    at_work = tmp_path / "folder/parts/.part-00000.parquet.0"
    at_work.touch()
    dataset.save(recorder.parts(2))
    assert at_work.exists()


def test_while_one_writes_the_folder_another_is_refused(dataset, recorder):
    def meanwhile():
        with pytest.raises(FolderInUseError, match="parts is in use by the process"):
            dataset.save(recorder.parts(3, 4))
        return pa.table({"value": [1]})

    dataset.save(Parts(lambda: iter([Part("key 1", meanwhile)])))
    assert recorder.made == []
    assert values(dataset) == [1]
    dataset.save(recorder.parts(3, 4))
    assert values(dataset) == [3, 4]


@pytest.fixture
def no_locks(monkeypatch):
    def fail(*_, **__):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", fail)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_parts_of_two_runs_are_never_complete(dataset, recorder):
    def overtaken():
        dataset.save(recorder.parts(3, 4))
        assert dataset.exists()
        return pa.table({"value": [2]})

    parts = recorder.parts(1)
    with pytest.raises(FolderInUseError, match=r"part-00000.parquet is of another run"):
        dataset.save(Parts(lambda: iter([*parts, Part("key 2", overtaken)])))
    assert not dataset.exists()
    dataset.save(recorder.parts(1, 2))
    assert values(dataset) == [1, 2]


@pytest.mark.usefixtures("no_locks")
def test_a_writer_that_is_killed_after_another_has_ended_leaves_nothing_complete(dataset, recorder):
    def overtaken():
        dataset.save(recorder.parts(3, 4))
        return pa.table({"value": [2]})

    def ended():
        raise RuntimeError("ended")

    parts = recorder.parts(1)
    with pytest.raises(DatasetError, match="ended"):
        dataset.save(Parts(lambda: iter([*parts, Part("key 2", overtaken), Part("key 5", ended)])))
    assert not dataset.exists()


@pytest.mark.usefixtures("no_locks")
def test_another_may_end_while_a_part_is_written(dataset, recorder, monkeypatch):
    replace = os.replace

    def overtaken(source, target):
        monkeypatch.undo()
        dataset.save(recorder.parts(3))
        assert dataset.exists()
        replace(source, target)

    def make():
        monkeypatch.setattr("gru4rec.files.os.replace", overtaken)
        return pa.table({"value": [1]})

    def ended():
        raise RuntimeError("ended")

    with pytest.raises(DatasetError, match="ended"):
        dataset.save(Parts(lambda: iter([Part("key 1", make), Part("key 2", ended)])))
    assert not dataset.exists()


def test_a_folder_that_cannot_be_written_is_named(recorder, tmp_path):
    (tmp_path / "file").touch()
    dataset = PartsDataset(path=str(tmp_path / "file/parts"))
    with pytest.raises(GRU4RecError, match=re.escape(f"cannot write {tmp_path}/file/parts: ")):
        dataset.save(recorder.parts(1))
    assert recorder.made == []


def test_a_table_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"takes parts of a table, not a table"):
        PartsDataset(path=str(tmp_path / "parts")).save(ibis.memtable({"a": [1]}))
    assert list(tmp_path.iterdir()) == []
