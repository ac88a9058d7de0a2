import json

import pandas as pd
import pytest
from kedro.io import DatasetError, Version

from gru4rec import GRU4Rec, describe_model
from gru4rec_kedro.datasets import GRU4RecDataset


@pytest.fixture(scope="module")
def gru():
    log = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [1, 2, 2, 3], "Time": [1, 2, 3, 4]})
    return GRU4Rec(layers=[4], n_sample=4, n_epochs=2, device="cpu").fit(log)


def test_saves_and_loads_versions(tmp_path, gru):
    dataset = GRU4RecDataset(
        filepath=str(tmp_path / "gru.pth"), device="cpu", version=Version(None, None)
    )
    dataset.save(gru)
    loaded = dataset.load()
    pd.testing.assert_frame_equal(loaded.recommend([[1]]), gru.recommend([[1]]))
    assert len(list(tmp_path.glob("gru.pth/*/gru.pth"))) == 1


def test_preview_shows_what_is_in_the_file(tmp_path, gru):
    dataset = GRU4RecDataset(filepath=str(tmp_path / "gru.pth"), version=Version(None, None))
    dataset.save(gru)
    preview = json.loads(dataset.preview())
    content = describe_model(next(tmp_path.glob("gru.pth/*/gru.pth")))
    [*_, last], [*_, shown] = content.pop("history"), preview.pop("history")
    assert preview == content
    assert shown["loss"] == pytest.approx(last["loss"], abs=1e-4)
    assert len(str(shown["loss"])) <= 6


def test_broken_file_is_an_error_that_names_it(tmp_path):
    (tmp_path / "gru.pth").write_bytes(b"no model")
    with pytest.raises(DatasetError, match=r"gru\.pth cannot be read as a model file"):
        GRU4RecDataset(filepath=str(tmp_path / "gru.pth")).load()


def test_missing_version_is_named(tmp_path, gru):
    path = str(tmp_path / "gru.pth")
    with pytest.raises(DatasetError, match=r"there is no .*gru\.pth; run the pipeline"):
        GRU4RecDataset(filepath=path).load()
    GRU4RecDataset(filepath=path, version=Version(None, "1")).save(gru)
    with pytest.raises(DatasetError, match=r"there is no version 2 of .*gru\.pth"):
        GRU4RecDataset(filepath=path, version=Version("2", None)).load()
