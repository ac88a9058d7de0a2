import re

import pyarrow as pa
import pytest
from kedro.io import DatasetError

from gru4rec import GRU4RecError
from gru4rec_kedro.datasets import Part, Parts, PartsDataset


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


def test_what_was_made_before_the_end_of_a_run_stays(dataset, recorder, tmp_path):
    with pytest.raises(DatasetError, match="ended"):
        dataset.save(recorder.parts(1, 2, 3, fail_at=3))
    assert not dataset.exists()
    with pytest.raises(GRU4RecError, match="parts is not complete; run the pipeline"):
        dataset.load()
    (tmp_path / "folder/parts/.part-00002.parquet.left").touch()
    (tmp_path / "folder/parts/part-00001.parquet").write_bytes(b"damaged")
    dataset.save(recorder.parts(1, 2, 3))
    assert recorder.made == [1, 2, 2, 3]
    assert values(dataset) == [1, 2, 3]
    assert not list((tmp_path / "folder/parts").glob(".*"))


def test_a_folder_that_cannot_be_written_is_named(recorder, tmp_path):
    (tmp_path / "file").touch()
    dataset = PartsDataset(path=str(tmp_path / "file/parts"))
    with pytest.raises(GRU4RecError, match=re.escape(f"cannot write {tmp_path}/file/parts: ")):
        dataset.save(recorder.parts(1))
    assert recorder.made == []
