import pytest
from kedro.io import DatasetError

from gru4rec_kedro.datasets import CheckpointDataset, PlaceDataset


@pytest.mark.parametrize("kind", [PlaceDataset, CheckpointDataset])
def test_says_where_whether_or_not_there_is_anything(kind, tmp_path):
    path = tmp_path / "checkpoint.pth"
    dataset = kind(filepath=str(path))
    assert (dataset.load(), dataset.exists()) == (path, False)
    path.touch()
    assert (dataset.load(), dataset.exists()) == (path, True)


def test_is_never_written():
    with pytest.raises(DatasetError, match=r"x\.pth is written by whoever loads this entry"):
        CheckpointDataset(filepath="x.pth").save(1)
