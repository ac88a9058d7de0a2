"""Similar items are those with the highest cosine."""

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import DataError, GRU4Rec


@pytest.fixture
def gru() -> GRU4Rec:
    """Items 10, 11, … whose output embeddings are 2 wide and given."""
    log = pd.DataFrame({"SessionId": 1, "ItemId": [10, 11, 12, 13, 14, 15], "Time": range(6)})
    gru = GRU4Rec(layers=[2], n_sample=4, n_epochs=1, device="cpu").fit(log)
    rows = [[3, 4], [0, 5], [6, 8], [-3, -4], [4, 3], [0, 0]]
    gru.network.tables["output"].copy_(torch.tensor(rows))
    return gru


def test_the_highest_cosines_come_first_and_the_item_itself_never(gru: GRU4Rec) -> None:
    similar = gru.similar_items(10)
    assert similar["rank"].tolist() == [1, 2, 3, 4, 5]
    assert similar["item"].tolist() == [12, 14, 11, 15, 13]
    # (3, 4) · (4, 3) / 25, (3, 4) · (0, 5) / 25, and zeros are like nothing
    assert similar["score"].tolist() == pytest.approx([1, 24 / 25, 4 / 5, 0, -1])
    assert gru.similar_items(10, k=2)["item"].tolist() == [12, 14]
    assert gru.similar_items(15)["score"].tolist() == [0] * 5


def test_equal_ones_are_in_the_order_of_the_items(gru: GRU4Rec) -> None:
    gru.network.tables["output"].copy_(torch.ones(6, 2))
    assert gru.similar_items(12, k=3)["item"].tolist() == [10, 11, 13]


def test_a_model_of_one_item_has_none_similar() -> None:
    log = pd.DataFrame({"SessionId": 1, "ItemId": [7, 7], "Time": [1, 2]})
    gru = GRU4Rec(layers=[2], n_sample=4, n_epochs=1, device="cpu").fit(log)
    assert list(gru.similar_items(7).columns) == ["rank", "item", "score"]
    assert len(gru.similar_items(7)) == 0


@pytest.mark.parametrize(
    ("item", "k", "message"),
    [
        (99, 3, "does not know the item 99"),
        ("10", 3, "knows its items by integers"),
        (10, 0, "k is 0"),
    ],
)
def test_mistakes_are_told(gru: GRU4Rec, item: object, k: int, message: str) -> None:
    with pytest.raises(DataError, match=message):
        gru.similar_items(item, k)


def test_the_model_is_only_read(gru: GRU4Rec) -> None:
    digest = gru.digest
    gru.similar_items(10)
    gru._digest = None
    assert gru.digest == digest
    assert np.isfinite(gru.recommend([[10]])["score"]).all()
