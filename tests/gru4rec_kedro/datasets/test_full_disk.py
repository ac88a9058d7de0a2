"""A file that cannot grow, as on a full disk: the system refuses what is too much."""

import os
import resource

import ibis
import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from gru4rec import GRU4Rec
from gru4rec_kedro.datasets import CSVDataset, EventsDataset, GRU4RecDataset, TextDataset

MOST = 100_000  # bytes of a file
LARGE = pd.DataFrame({"SessionId": np.random.default_rng(0).permutation(100_000)})
LOG = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [1, 2, 2, 1], "Time": range(4)})


def train(units):
    return GRU4Rec(layers=[units], n_sample=2, n_epochs=1, device="cpu").fit(LOG)


@pytest.fixture
def limited():
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (MOST, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("kind", "small", "large"),
    [
        (GRU4RecDataset, lambda: train(4), lambda: train(200)),
        (EventsDataset, lambda: LARGE[:9], lambda: LARGE),
        (EventsDataset, lambda: LARGE[:9], lambda: ibis.memtable(LARGE)),
        (CSVDataset, lambda: LARGE[:9], lambda: LARGE),
        (TextDataset, lambda: "small", lambda: "large" * MOST),
    ],
)
def test_what_cannot_be_written_whole_leaves_what_was_there(tmp_path, limited, kind, small, large):
    path = tmp_path / "file"
    dataset, too_much = kind(filepath=str(path)), large()
    dataset.save(small())
    before = path.read_bytes()
    limited()
    with pytest.raises(DatasetError, match=r"cannot write .*File too large"):
        dataset.save(too_much)
    assert os.listdir(tmp_path) == [path.name]
    assert path.read_bytes() == before
