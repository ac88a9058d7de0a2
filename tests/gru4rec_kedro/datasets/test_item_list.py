import gzip

import pytest
from kedro.io import DatasetError

from gru4rec_kedro.datasets import ItemListDataset


def load(path):
    return ItemListDataset(filepath=str(path)).load().to_pyarrow().to_pydict()


def test_no_file_is_no_list():
    assert ItemListDataset(filepath=None).load() is None


def test_text_file_has_an_id_a_line(tmp_path):
    (tmp_path / "items.txt").write_text("12\n007\na, b; c\n")
    expected = {"ItemId": ["12", "007", "a, b; c"]}
    assert load(tmp_path / "items.txt") == expected
    (tmp_path / "items.txt.gz").write_bytes(gzip.compress((tmp_path / "items.txt").read_bytes()))
    (tmp_path / "items.txt.gz").rename(tmp_path / "ITEMS.TXT.GZ")
    assert load(tmp_path / "ITEMS.TXT.GZ") == expected


def test_the_query_of_an_address_does_not_hide_that_it_is_text(monkeypatch):
    given = []
    monkeypatch.setattr(
        "gru4rec_kedro.datasets.item_list.read_log", lambda *_, **options: given.append(options)
    )
    ItemListDataset(filepath="https://shop.org/items.txt?sig=a/b.c").load()
    assert given == [{"delimiter": "\t", "column_names": ["ItemId"]}]


def test_other_files_have_columns(tmp_path):
    (tmp_path / "items.csv").write_text("sku,name\n12,a\n")
    assert load(tmp_path / "items.csv") == {"sku": ["12"], "name": ["a"]}


def test_missing_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"No file is at .*none\.txt"):
        load(tmp_path / "none.txt")


def test_is_never_written():
    with pytest.raises(DatasetError, match="never written"):
        ItemListDataset(filepath="x.txt").save([1])
