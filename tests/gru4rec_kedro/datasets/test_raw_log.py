import re
import uuid

import pandas as pd
import pytest
from kedro.io import DatasetError
from upath import UPath

from gru4rec import ConfigError, MissingLogError
from gru4rec_kedro.datasets import RawLogDataset


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("s;i\n007;1\n8;2\n")
    return str(path)


def test_loads_ids_as_they_are_written(log):
    frame = RawLogDataset(filepath=log).load().to_pandas()
    expected = pd.DataFrame({"s": ["007", "8"], "i": ["1", "2"]})
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("names", [["a", "b"], "a b"])
def test_file_without_header(log, names):
    dataset = RawLogDataset(filepath=log, delimiter=";", column_names=names)
    assert dataset.load().to_pandas()["a"].tolist() == ["s", "007", "8"]


def test_options_of_text_files(tmp_path):
    path = tmp_path / "ratings.dat"
    path.write_text("of 2003\n1::1193\n% end of part 1\n2::661\n")
    options = {"delimiter": "::", "column_names": ["a", "b"], "skip_lines": 1, "comment": "%"}
    dataset = RawLogDataset(filepath=str(path), **options)
    assert dataset.load().to_pandas()["b"].tolist() == ["1193", "661"]
    assert dataset._describe() == {"filepath": str(path), **options}


def test_an_impossible_option_is_one_message(log):
    with pytest.raises(DatasetError) as caught:
        RawLogDataset(filepath=log, delimiter="").load()
    assert isinstance(caught.value.__cause__, ConfigError)
    assert "log.csv has 1 mistake" in str(caught.value.__cause__)


def test_missing_file_says_where_to_get_it(log):
    dataset = RawLogDataset(filepath=log + ".gz", source="Ask its owner.\n")
    with pytest.raises(DatasetError) as caught:
        dataset.load()
    cause = caught.value.__cause__
    assert isinstance(cause, MissingLogError)
    assert re.fullmatch(r"No file is at \S*log\.csv\.gz; .*\nAsk its owner\.", str(cause))


def test_preview(log):
    assert RawLogDataset(filepath=log).preview(1)["data"] == [["007", "1"]]


def test_what_is_there_is_not_read_for_that(log, tmp_path):
    (tmp_path / "empty").mkdir()
    for there in (log, f"{tmp_path}/*.csv", str(tmp_path), f"{tmp_path}/{{log,log}}.csv"):
        assert RawLogDataset(filepath=there).exists()
    for absent in (f"{tmp_path}/*.tsv", f"{tmp_path}/empty", f"{tmp_path}/{{log,other}}.csv"):
        assert not RawLogDataset(filepath=absent).exists()


def test_a_log_of_a_store_is_not_copied_to_see_whether_it_is_there(monkeypatch):
    folder = f"memory:///{uuid.uuid4().hex}"
    UPath(f"{folder}/log.csv").write_text("s,i\n1,2\n")
    monkeypatch.setattr("gru4rec.preparation.stores.fetch", lambda *_: pytest.fail("is copied"))
    assert RawLogDataset(filepath=f"{folder}/log.csv").exists()
    assert RawLogDataset(filepath=f"{folder}/*.csv").exists()
    assert not RawLogDataset(filepath=f"{folder}/other.csv").exists()


def test_is_never_written(log):
    with pytest.raises(DatasetError, match="never written"):
        RawLogDataset(filepath=log).save(pd.DataFrame())
