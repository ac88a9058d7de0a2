import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import DataError, MissingExtraError, ModelFileError, NotFittedError
from gru4rec.evaluation.ranking import top_k
from gru4rec.model.network import Architecture, Network
from gru4rec.storage.onnx_export import export_onnx

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

MakeNetwork = Callable[..., Network]

N_ITEMS = 30
VOCABULARY = Vocabulary(np.arange(N_ITEMS) + 2**60)
SINGLE = Architecture((6,), 0, shared=True)


def opened(path: Path) -> Any:
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def assert_same_along_sessions(network: Network, session: Any, batch: int) -> None:
    rng = np.random.default_rng(1)
    hidden = network.zero_state(batch)
    state = {f"hidden{layer}": h.numpy() for layer, h in enumerate(hidden)}
    for _ in range(12):
        item = rng.integers(0, N_ITEMS, batch)
        scores, *states = session.run(None, {"item": item, **state})
        state = {f"hidden{layer}": h for layer, h in enumerate(states)}
        hidden = network.advance(network.embed(torch.from_numpy(item)), hidden)
        np.testing.assert_allclose(scores, network.scores(hidden[-1]), rtol=0, atol=1e-5)
        for layer, h in enumerate(hidden):
            np.testing.assert_allclose(states[layer], h, rtol=0, atol=1e-5)


def test_onnx_runtime_scores_as_the_model_does(
    architecture: Architecture, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(architecture, N_ITEMS)

    export_onnx(network, VOCABULARY, tmp_path / "step.onnx")

    session = opened(tmp_path / "step.onnx")
    for batch in (1, 2, 7):
        assert_same_along_sessions(network, session, batch)
    shapes = {put.name: put.shape for put in (*session.get_inputs(), *session.get_outputs())}
    assert shapes == {
        "item": ["batch"],
        "hidden0": ["batch", 6],
        "hidden1": ["batch", 4],
        "scores": ["batch", N_ITEMS],
        "next_hidden0": ["batch", 6],
        "next_hidden1": ["batch", 4],
    }
    ids = json.loads(session.get_modelmeta().custom_metadata_map["item_ids"])
    assert ids == [2**60 + index for index in range(N_ITEMS)]
    assert os.listdir(tmp_path) == ["step.onnx"]


def test_a_trained_model_with_text_items(
    make_events: Callable[..., pd.DataFrame], tmp_path: Path
) -> None:
    sessions = [["ä", "b", "c,d"], ["b", "c,d", "ä"], ["ä", "b"]]
    gru = GRU4Rec(layers=[5], n_sample=8, n_epochs=1, device="cpu").fit(make_events(sessions))

    gru.export_onnx(str(tmp_path / "step.onnx"))

    session = opened(tmp_path / "step.onnx")
    ids = json.loads(session.get_modelmeta().custom_metadata_map["item_ids"])
    assert ids == gru.vocabulary.ids.tolist()
    hidden = np.zeros((1, 5), np.float32)
    for item in ("b", "ä"):
        scores, hidden = session.run(None, {"item": [ids.index(item)], "hidden0": hidden})
    expected = gru.recommend([["b", "ä"]], k=3)
    assert [ids[index] for index in np.argsort(-scores[0])] == expected["item"].tolist()


def test_an_unknown_item_leaves_its_session_as_it_was(
    architecture: Architecture, make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network(architecture, N_ITEMS)
    export_onnx(network, VOCABULARY, tmp_path / "step.onnx")
    session = opened(tmp_path / "step.onnx")
    hidden = [torch.rand(3, units) for units in architecture.layers]
    given = {f"hidden{layer}": h.numpy() for layer, h in enumerate(hidden)}

    scores, *states = session.run(None, {"item": [5, -1, N_ITEMS - 1], **given})

    advanced = network.advance(network.embed(torch.tensor([5, 0, N_ITEMS - 1])), hidden)
    expected = [new.clone() for new in advanced]
    for new, old in zip(expected, hidden, strict=True):
        new[1] = old[1]
    np.testing.assert_allclose(scores, network.scores(expected[-1]), rtol=0, atol=1e-5)
    for found, state in zip(states, expected, strict=True):
        np.testing.assert_allclose(found, state, rtol=0, atol=1e-5)
    begun = {name: np.zeros_like(h[:1]) for name, h in given.items()}
    scores, *_ = session.run(None, {"item": [-1], **begun})
    np.testing.assert_allclose(scores[0], network.tables["bias"], rtol=0, atol=1e-6)


def test_an_index_outside_the_catalogue_is_an_error(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    export_onnx(make_network(SINGLE, N_ITEMS), VOCABULARY, tmp_path / "step.onnx")
    session, state = opened(tmp_path / "step.onnx"), np.zeros((2, 6), np.float32)

    for item in (-2, -N_ITEMS, -N_ITEMS - 1, -(2**62), N_ITEMS, 2**62):
        with pytest.raises(Exception, match="out of data bounds"):
            session.run(None, {"item": [1, item], "hidden0": state})


@pytest.mark.parametrize("k", [7, N_ITEMS + 5])
def test_the_step_answers_with_the_best_items(
    make_network: MakeNetwork, tmp_path: Path, k: int
) -> None:
    network = make_network(SINGLE, N_ITEMS)
    for table in (network.tables["output"], network.tables["bias"]):
        table[20:26] = table[3]  # equal scores
    export_onnx(network, VOCABULARY, tmp_path / "step.onnx", k)
    session, state = opened(tmp_path / "step.onnx"), network.zero_state(2)[0].numpy()

    items, scores, new = session.run(None, {"item": [4, -1], "hidden0": state})

    [hidden] = network.advance(network.embed(torch.tensor([4])), network.zero_state(1))
    for row, last in enumerate((hidden, torch.zeros(1, 6))):
        expected = top_k(network, last, k)
        assert items[row].tolist() == expected.items.tolist()
        np.testing.assert_allclose(scores[row], expected.scores, rtol=0, atol=1e-5)
    np.testing.assert_allclose(new, torch.cat([hidden, torch.zeros(1, 6)]), rtol=0, atol=1e-5)
    shapes = {put.name: put.shape for put in session.get_outputs()}
    n_best = min(k, N_ITEMS)
    assert shapes == {
        "items": ["batch", n_best], "scores": ["batch", n_best], "next_hidden0": ["batch", 6]
    }  # fmt: skip


@pytest.mark.parametrize("k", [0, 2.5, "3"])
def test_what_is_no_number_of_items_is_refused(
    make_events: Callable[..., pd.DataFrame], tmp_path: Path, k: Any
) -> None:
    gru = GRU4Rec(layers=[5], n_sample=8, n_epochs=1, device="cpu").fit(make_events([[1, 2], [2]]))
    with pytest.raises(DataError, match="k is"):
        gru.export_onnx(tmp_path / "step.onnx", k)


def test_exporting_leaves_the_model_as_it_was(make_network: MakeNetwork, tmp_path: Path) -> None:
    network = make_network(SINGLE, N_ITEMS)
    before = {name: t.clone() for name, t in {**network.tables, **network.dense}.items()}

    export_onnx(network, VOCABULARY, tmp_path / "step.onnx")

    after = {**network.tables, **network.dense}
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert not any(tensor.requires_grad for tensor in after.values())


def test_a_missing_package_names_the_extra(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(MissingExtraError, match=r"onnxscript.*pip install -e '.\[onnx\]'"):
        export_onnx(make_network(SINGLE, N_ITEMS), VOCABULARY, tmp_path / "step.onnx")


def test_what_cannot_be_written_leaves_what_was_there(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, path = make_network(SINGLE, N_ITEMS), tmp_path / "step.onnx"
    with pytest.raises(ModelFileError, match=r"cannot write the model to .*nowhere"):
        export_onnx(network, VOCABULARY, tmp_path / "nowhere/step.onnx")
    path.write_text("before")
    monkeypatch.setattr("gru4rec.storage.onnx_export._LARGEST", 1000)
    with pytest.raises(ModelFileError, match="an ONNX file holds at most 2 GiB"):
        export_onnx(network, VOCABULARY, path)
    assert path.read_text() == "before"
    with pytest.raises(NotFittedError):
        GRU4Rec(layers=[5], device="cpu").export_onnx(path)
