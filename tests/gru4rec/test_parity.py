"""The numbers of the reference implementation, case by case."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from gru4rec import GRU4Rec, rank_events
from gru4rec.data.schedule import make_schedule
from gru4rec.data.sessions import order_sessions
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.evaluation import summarise
from gru4rec.model.network import Network

REFERENCE = Path(__file__).parents[1] / "reference"
OFFICIAL = json.loads((REFERENCE / "official.json").read_text())
CUTOFFS = [1, 5, 10, 20]
KEYS = ("SessionId", "ItemId", "Time")


class ReferenceSampler:
    """The reference's draws: 32-bit, in blocks of ten million."""

    def __init__(
        self, counts: np.ndarray, alpha: float, n_sample: int, seed: int, device: str
    ) -> None:
        cumulative = np.cumsum(counts.astype(np.float64) ** alpha)
        cumulative /= cumulative[-1]
        self._cumulative = torch.from_numpy(cumulative.astype(np.float32))
        self._generator = torch.Generator().manual_seed(seed)
        self._n_sample, self._device = n_sample, device
        self._n_steps = max(1, 10_000_000 // n_sample)
        self._steps = iter(())

    def sample(self) -> Tensor:
        negatives = next(self._steps, None)
        if negatives is None:
            uniform = torch.rand(self._n_steps * self._n_sample, generator=self._generator)
            # a test needs the first steps of a block only
            uniform = uniform[: 1000 * self._n_sample]
            block = torch.searchsorted(self._cumulative, uniform, right=True)
            self._steps = iter(block.view(-1, self._n_sample))
            negatives = next(self._steps)
        return negatives.to(self._device)


def read(part: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / OFFICIAL["data"][part], sep="\t")


def reference_names(network: Network) -> dict[str, Tensor]:
    """Our tensors by the names that they have in the reference."""
    names = {"output": "Wy.weight", "bias": "By.weight"}
    names["input"] = "GE.Wx0.weight" if network.architecture.gates_per_item else "E.weight"
    names |= {"gru0.weight_rz": "GE.Wrz0", "gru0.weight_h": "GE.Wh0", "gru0.bias": "GE.Bh0"}
    for layer in range(len(network.architecture.layers)):
        for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            names[f"gru{layer}.{part}"] = f"G.{layer}.{part}"
    return {names[ours]: tensor for ours, tensor in {**network.tables, **network.dense}.items()}


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("name", OFFICIAL["cases"])
def test_equals_the_reference(name: str) -> None:
    check_case(name, "cpu", loss=1e-6, metrics=1e-12)


# products on a GPU round otherwise: near ties a rank, of some thousand, may be another
@pytest.mark.gpu
@pytest.mark.parametrize("name", OFFICIAL["cases"])
def test_equals_the_reference_on_a_gpu(name: str) -> None:
    check_case(name, "cuda", loss=1e-5, metrics=1e-3)


def check_case(name: str, device: str, loss: float, metrics: float) -> None:
    """Holds a case against its numbers: losses relatively, recall and MRR absolutely."""
    case: dict[str, Any] = OFFICIAL["cases"][name]
    params = case["params"]
    train, test = read("train"), read("test")
    sessions = order_sessions(train, *KEYS)
    items = Vocabulary.from_items(sessions.items).encode(sessions.items)
    n_sample = params["n_sample"]
    sampler = (
        ReferenceSampler(
            np.bincount(items), params["sample_alpha"], n_sample, OFFICIAL["seed"], device
        )
        if n_sample
        else None
    )

    gru = GRU4Rec(**params, device=device).fit(train, sampler=sampler)

    assert gru.history["loss"].tolist() == pytest.approx(case["epoch_losses"], rel=loss)
    assert gru.history["events"].tolist() == [case["events_per_epoch"]] * params["n_epochs"]
    schedule = make_schedule(
        sessions.offsets, sessions.oldest_first, params["batch_size"], 1 if n_sample else 2
    )
    assert schedule.n_steps == case["batches_per_epoch"]

    for mode, expected in case["metrics"].items():
        ranked = rank_events(gru, test, mode=mode)
        recall, mrr = summarise(ranked.ranks, CUTOFFS)
        measured = {f"recall@{k}": v for k, v in recall.items()}
        measured |= {f"mrr@{k}": v for k, v in mrr.items()}
        assert len(ranked.ranks) == case["n_eval"]
        assert measured == pytest.approx(expected, rel=0, abs=metrics), mode

    weights = reference_names(gru.network)
    assert weights.keys() == case["final_weights"].keys()
    for tensor_name, expected in case["final_weights"].items():
        weight = weights[tensor_name].cpu().double()
        first = weight.flatten()[: len(expected["first"])].tolist()
        # the reference keeps its biases as (n, 1)
        assert [n for n in weight.shape if n > 1] == [n for n in expected["shape"] if n > 1]
        assert float(weight.norm()) == pytest.approx(expected["l2"], rel=1e-4), tensor_name
        assert first == pytest.approx(expected["first"], rel=0, abs=1e-4), tensor_name
