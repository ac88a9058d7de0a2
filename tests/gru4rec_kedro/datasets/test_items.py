import pandas as pd
import pytest
from kedro.io import DatasetError

from gru4rec import DataError
from gru4rec_kedro.datasets import ItemsDataset


@pytest.mark.parametrize("id_key", ["ItemId", "id"])
def test_titles_come_by_id_as_text(tmp_path, id_key):
    frame = pd.DataFrame({id_key: [7, 8, 9], "title": ['Red, "big"', "Blue", None], "x": 1})
    frame.to_csv(tmp_path / "items.csv", index=False)
    frame.assign(picture="https://x.test/1.png").to_parquet(tmp_path / "items.parquet")
    for name, picture in (("items.csv", ""), ("items.parquet", "https://x.test/1.png")):
        found = ItemsDataset(filepath=str(tmp_path / name)).load()
        assert found["title"].to_dict() == {"7": 'Red, "big"', "8": "Blue"}
        assert found["picture"].tolist() == [picture] * 2
    preview = ItemsDataset(filepath=str(tmp_path / "items.csv")).preview(1)
    assert preview["data"] == [["7", 'Red, "big"', ""]]


def test_without_a_file_there_are_no_titles():
    dataset = ItemsDataset(filepath=None)
    assert dataset.load()["title"].to_dict() == {}
    assert not dataset.exists()


def test_what_is_no_list_of_titles_is_refused(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("ItemId,name\n1,x\n")
    with pytest.raises(DatasetError, match="has the columns ItemId, name; titles of items need"):
        ItemsDataset(filepath=str(path)).load()
    path.write_text("ItemId,title\n1,x\n1,y\n")
    with pytest.raises(DatasetError, match="more than one title of '1'"):
        ItemsDataset(filepath=str(path)).load()
    with pytest.raises(DatasetError, match="never written"):
        ItemsDataset(filepath=str(path)).save("x")


def test_the_errors_are_the_projects_own(tmp_path):
    (tmp_path / "items.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError) as raised:
        ItemsDataset(filepath=str(tmp_path / "items.csv")).load()
    assert isinstance(raised.value.__cause__, DataError)
