"""The step of Triton's kernels, interpreted on the CPU, equals the autograd step."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.gru4rec.learning.few_steps import OPTIONS, run

from gru4rec import GRU4Rec
from gru4rec.compute import Static, using
from gru4rec.config import ModelConfig
from gru4rec.learning.autograd_step import AutogradStep
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.losses import LOSSES
from gru4rec.model.network import Dropout, new_network, seeded_draw

fused_step = pytest.importorskip("gru4rec.learning.fused_step", reason="no Triton here")
engines = pytest.importorskip("gru4rec.compute.fused.engine")
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="test_gpu does this on the GPU")
CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _both_drop_the_same_numbers() -> Iterator[None]:
    with using("plain"):
        yield


def assert_equal_to_autograd(config: ModelConfig, n_items: int = 40, seed: int = 1) -> None:
    fast, readable = (
        run(kind, config, n_items, seed) for kind in (fused_step.FusedStep, AutogradStep)
    )
    for one, other in zip(fast, readable, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


# few items make many repeated ones, many items make few
@settings(max_examples=10)
@given(
    config=st.builds(
        ModelConfig,
        layers=st.lists(st.integers(1, 40), min_size=1, max_size=2),
        **OPTIONS,
    ),
    n_items=st.sampled_from([3, 40]),
    seed=st.integers(0, 1000),
)
def test_equals_the_autograd_step(config, n_items, seed):
    assert_equal_to_autograd(config, n_items, seed)


@pytest.mark.parametrize("name", LOSSES)
def test_other_losses_and_very_many_candidates_are_left_to_torch(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    config = ModelConfig(layers=[5], loss=name, batch_size=4, n_sample=8, logq=1.0)
    own = run(fused_step.FusedStep, config, 20, seed=1)
    monkeypatch.setattr("gru4rec.compute.fused.losses.MOST", 9)  # of 10 and 12
    kernel = f"gru4rec.compute.fused.losses.{name.replace('-', '_')}"
    monkeypatch.setattr(kernel, lambda *_, **__: pytest.fail("is not asked"))
    for one, other in zip(own, run(fused_step.FusedStep, config, 20, seed=1), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    monkeypatch.undo()
    monkeypatch.setitem(LOSSES, name, replace(LOSSES[name], gradient=None, fused=None))
    monkeypatch.setattr(kernel, lambda *_, **__: pytest.fail("is not asked"))
    assert_equal_to_autograd(config)


def test_a_table_that_is_not_contiguous_is_refused() -> None:
    config = ModelConfig(layers=[4], batch_size=2, n_sample=2)
    network = new_network(architecture_of(config), 9, seeded_draw(new_generator(1, CPU)))
    network.tables["output"] = network.tables["output"].T.contiguous().T
    dropout = Dropout(0.0, 0.0, new_generator(1, CPU))
    with pytest.raises(ValueError, match="output is not contiguous"):
        fused_step.FusedStep(
            network, make_optimizer(network, config), config, dropout, torch.zeros(9)
        )


@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_lower_precision_is_near(precision: str) -> None:
    options: dict[str, Any] = {"layers": [40], "batch_size": 6, "n_sample": 30, "logq": 1.0}
    exact, rounded = (
        run(fused_step.FusedStep, ModelConfig(**options, precision=given), 40, seed=1)
        for given in ("float32", precision)
    )
    for one, other in zip(exact[:4], rounded[:4], strict=True):
        torch.testing.assert_close(one, other, rtol=0.05, atol=0.05)
    assert any(not torch.equal(*pair) for pair in zip(exact, rounded, strict=True)) == (
        precision == "bf16"  # a CPU knows no other
    )


def test_the_trainer_takes_it_for_its_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    take = fused_step.FusedStep.take

    def spy(self: Any, *arguments: Any) -> Any:
        taken.append(len(arguments[0].outputs.items))
        return take(self, *arguments)

    monkeypatch.setattr(fused_step.FusedStep, "take", spy)
    options: dict[str, Any] = {"layers": [3], "batch_size": 2, "n_sample": 3, "n_epochs": 1}
    log = {"SessionId": [1] * 6 + [2] * 6, "ItemId": [*range(6)] * 2, "Time": [*range(12)]}
    fitted = []
    for engine in (engines.Fused(steps_together=2), Static()):
        with using(engine):
            fitted.append(GRU4Rec(**options, device="cpu").fit(pd.DataFrame(log)))
    assert taken == [2 + 3 + 2] * 5  # candidates and inputs
    for one, other in zip(*(gru._fitted().tensors()[0].values() for gru in fitted), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_engines_that_know_one_precision_say_so(caplog: pytest.LogCaptureFixture) -> None:
    log = {"SessionId": [1, 1, 2, 2], "ItemId": [1, 2, 1, 2], "Time": [1, 2, 3, 4]}
    options: dict[str, Any] = {"layers": [3], "n_sample": 3, "n_epochs": 1, "device": "cpu"}
    with using("plain"):
        GRU4Rec(**options, precision="tf32").fit(pd.DataFrame(log))
    assert "precision tf32 is for NVIDIA GPUs; the engine plain multiplies in float32" in (
        caplog.messages
    )
