"""Steps at the edge of what 32-bit floats hold, against the same step in 64 bits."""

import math
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from gru4rec import GRU4Rec, TrainingDivergedError
from gru4rec.config import ModelConfig
from gru4rec.learning.autograd_step import AutogradStep
from gru4rec.learning.compiled_step import CompiledStep
from gru4rec.learning.trainer import Trainer
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.losses import LOSSES
from gru4rec.model.network import Dropout, new_network, seeded_draw

CPU = torch.device("cpu")
COMPILED = [name for name, loss in LOSSES.items() if loss.kernel]


def train(
    kind: type, loss: str, items: tuple[Tensor, Tensor, Tensor], scale: float, double: bool
) -> dict[str, Tensor]:
    """One step; returns the loss and all that it changed."""
    inputs, targets, negatives = items
    config = ModelConfig(
        layers=[6], loss=loss, batch_size=len(inputs), n_sample=len(negatives), learning_rate=0.01
    )
    network = new_network(architecture_of(config), 40, seeded_draw(new_generator(3, CPU)))
    network.tables["bias"].copy_(torch.linspace(-scale, scale, 40))
    if double:
        for tensors in (network.tables, network.dense):
            tensors.update({name: tensor.double() for name, tensor in tensors.items()})
    adagrad = make_optimizer(network, config)
    dropout = Dropout(0.0, 0.0, new_generator(1, CPU))
    counts = torch.zeros(40, dtype=torch.float64 if double else torch.float32)
    step = kind(network, adagrad, config, dropout, counts)
    hidden = [torch.zeros(len(inputs), 6, dtype=counts.dtype)]
    value, _ = step(inputs, targets, negatives, hidden)
    # Adagrad's accumulators hold the squared gradients of a first step
    accumulated = {f"{name} squared": a for name, a in adagrad.accumulators.items()}
    changed = {**network.tables, **network.dense, **accumulated, "loss": value}
    return {name: tensor.detach().double().clone() for name, tensor in changed.items()}


def assert_exact(loss: str, items: tuple[Tensor, Tensor, Tensor], scale: float) -> None:
    fast = train(CompiledStep, loss, items, scale, double=False)
    exact = train(AutogradStep, loss, items, scale, double=True)
    for name, tensor in fast.items():
        assert tensor.isfinite().all(), name
        # where scores are rounded to thousandths, the sign of a gradient near zero is not certain,
        # and Adagrad's first step is little more than that sign
        if scale < 1e4 or "squared" in name or name == "loss":
            close(tensor, exact[name], name)


def close(tensor: Tensor, exact: Tensor, name: str) -> None:
    atol = 2e-5 * max(1.0, float(exact.abs().max()))
    torch.testing.assert_close(tensor, exact, rtol=2e-3, atol=atol, msg=name)


@pytest.mark.parametrize("loss", COMPILED)
@pytest.mark.parametrize("scale", [1.0, 100.0, 1e4])
def test_large_scores_have_finite_losses_and_true_gradients(loss: str, scale: float) -> None:
    draw = torch.Generator().manual_seed(5)
    inputs, targets = torch.randint(0, 40, (2, 8), generator=draw)
    assert_exact(loss, (inputs, targets, torch.randint(0, 40, (30,), generator=draw)), scale)


@pytest.mark.parametrize("loss", COMPILED)
def test_rows_that_repeat_hundreds_of_times_are_exact(loss: str) -> None:
    draw = torch.Generator().manual_seed(7)
    inputs, targets = torch.randint(0, 40, (2, 200), generator=draw)
    negatives = torch.randint(0, 40, (300,), generator=draw)
    inputs[:170], targets[20:180], negatives[50:250] = 9, 9, 9
    repeats = sum(int((items == 9).sum()) for items in (inputs, targets, negatives))
    assert repeats >= 500
    assert_exact(loss, (inputs, targets, negatives), 1.0)


@pytest.mark.parametrize("loss", COMPILED)
def test_a_learning_rate_that_diverges_stops_in_its_epoch(loss: str) -> None:
    events = pd.DataFrame({"SessionId": [n // 5 for n in range(500)], "Time": range(500)})
    events["ItemId"] = [n * n % 31 for n in range(500)]
    gru = GRU4Rec(
        layers=[8], loss=loss, learning_rate=1e38, n_sample=16, batch_size=8, device="cpu"
    )
    with pytest.raises(TrainingDivergedError, match=r"not finite in epoch 1, step \d+"):
        gru.fit(events)


def test_weights_that_diverge_in_the_last_step_stop_the_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    step, bad = Trainer.step, iter([0.0, 0.0, 0.0, math.nan])

    def break_down(self: Trainer, *arguments: Any) -> Any:
        done = step(self, *arguments)
        self.state.network.tables["output"][0, 0] += next(bad)
        return done

    monkeypatch.setattr(Trainer, "step", break_down)
    events = pd.DataFrame({"SessionId": [1] * 5, "ItemId": range(5), "Time": range(5)})
    gru = GRU4Rec(layers=[8], n_sample=16, n_epochs=1, device="cpu")
    with pytest.raises(TrainingDivergedError, match="weights are not finite in epoch 1, step 4;"):
        gru.fit(events)
