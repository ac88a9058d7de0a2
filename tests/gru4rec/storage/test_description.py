import json

import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, ModelFileError, describe_model

LOG = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 8, 9], "Time": [1, 2, 3, 4]})


def saved(path, **options):
    options = {"layers": [4], "n_sample": 4, "n_epochs": 2, "device": "cpu", **options}
    gru = GRU4Rec(**options).fit(LOG)
    gru.notes["trained on"] = "four clicks"
    gru.save(path)
    return gru


def test_tells_sizes_options_history_and_notes(tmp_path):
    gru = saved(tmp_path / "gru.pth")
    description = describe_model(tmp_path / "gru.pth")
    assert description["items"] == 3
    # output and bias; three gates, each with input and recurrent weights and two biases
    assert description["parameters"] == 3 * 4 + 3 + 3 * (4 * 4 + 4 * 4 + 4 + 4)
    assert description["tensors"]["output"] == [3, 4]
    assert description["configuration"] == gru.config.model_dump()
    assert description["history"] == gru.history.to_dict(orient="records")
    assert description["notes"] == {"trained on": "four clicks"}
    assert json.loads(json.dumps(description)) == description


@pytest.mark.parametrize(
    ("options", "stations"),
    [
        (
            {},
            [
                "item → shared embedding, 3 × 4",
                "GRU layer 1, 4 units",
                "scores = state · shared embedding + bias, 3 × 4",
            ],
        ),
        (
            {"layers": [6, 4], "constrained_embedding": False, "embedding": 5},
            [
                "item → input embedding, 3 × 5",
                "GRU layer 1, 6 units",
                "GRU layer 2, 4 units",
                "scores = state · output embedding + bias, 3 × 4",
            ],
        ),
        (
            {"constrained_embedding": False},
            [
                "item → weights of its own into the gates, 3 × 12",
                "GRU layer 1, 4 units",
                "scores = state · output embedding + bias, 3 × 4",
            ],
        ),
    ],
    ids=["shared", "separate", "none"],
)
def test_tells_the_architecture(tmp_path, options, stations):
    saved(tmp_path / "gru.pth", **options)
    assert describe_model(tmp_path / "gru.pth")["architecture"] == stations


def test_reads_no_tensor(tmp_path, monkeypatch):
    saved(tmp_path / "gru.pth")
    content, load = {}, torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **b: content.update(load(*a, **b)) or content)
    describe_model(tmp_path / "gru.pth")
    tensors = [*content["tables"].values(), *content["dense"].values(), content["item_ids"]]
    assert all(tensor.is_meta for tensor in tensors)


def test_refuses_what_is_no_model(tmp_path):
    with pytest.raises(ModelFileError, match=r"there is no model file .*gru\.pth"):
        describe_model(tmp_path / "gru.pth")
    path = tmp_path / "gru.pth"
    saved(path)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "tables": None}, path)
    with pytest.raises(ModelFileError, match=r"gru\.pth is damaged"):
        describe_model(path)
