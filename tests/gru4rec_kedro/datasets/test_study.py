import pytest
from kedro.io import DatasetError

from gru4rec_kedro.datasets import StudyDataset
from gru4rec_kedro.errors import StoreError

pytest.importorskip("optuna")


def test_an_address_in_the_credentials_takes_the_place_of_the_file(tmp_path):
    own = StudyDataset(filepath=str(tmp_path / "own.db"))
    url = f"sqlite:///{tmp_path}/named.db"
    named = StudyDataset(filepath=str(tmp_path / "own.db"), credentials={"url": url})
    study_id = named.load().create_new_study([1], "a study")
    assert named.load().get_study_name_from_id(study_id) == "a study"
    assert not own.exists()
    assert own.load().get_all_studies() == []


@pytest.mark.parametrize(
    "url", ["nodb://me:secret@host/name", "nodb://host/name?user=me&password=secret", "nonsense"]
)
def test_what_cannot_be_opened_is_told_without_its_password(tmp_path, url):
    dataset = StudyDataset(filepath=str(tmp_path / "own.db"), credentials={"url": url})
    with pytest.raises(StoreError, match="cannot open the store of trials") as caught:
        dataset.load()
    assert "secret" not in str(caught.value) + str(dataset)


def test_is_never_written(tmp_path):
    with pytest.raises(DatasetError, match="through its handle"):
        StudyDataset(filepath=str(tmp_path / "own.db")).save("x")
