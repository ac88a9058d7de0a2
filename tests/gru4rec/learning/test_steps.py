"""The fast steps equal the autograd step: state by state, for random shapes."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.gru4rec.learning.few_steps import OPTIONS, run

from gru4rec.compute import using
from gru4rec.config import ModelConfig
from gru4rec.learning import compiled_step
from gru4rec.learning.autograd_step import AutogradStep
from gru4rec.learning.compiled_step import CompiledStep
from gru4rec.learning.static_step import StaticStep
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.losses import LOSSES
from gru4rec.model.network import Dropout, new_network, seeded_draw

configs = st.builds(
    ModelConfig,
    layers=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    **OPTIONS,
)


def assert_equal_to_autograd(config: ModelConfig, n_items: int, seed: int) -> None:
    fast = run(CompiledStep, config, n_items, seed)
    readable = run(AutogradStep, config, n_items, seed)
    for one, other in zip(fast, readable, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=2e-5)


# few items make many repeated ones, many items make few
@given(config=configs, n_items=st.sampled_from([3, 40]), seed=st.integers(0, 1000))
def test_equals_the_autograd_step(config, n_items, seed):
    assert_equal_to_autograd(config, n_items, seed)


@given(config=configs, n_items=st.sampled_from([3, 40]), seed=st.integers(0, 1000))
def test_the_static_step_does_so_in_64_bits_too(config, n_items, seed):
    with using("plain"):  # dropout of compiled loops has 32
        fast, readable = (
            run(kind, config, n_items, seed, torch.float64) for kind in (StaticStep, AutogradStep)
        )
    for one, other in zip(fast, readable, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("logq", [0.0, 1.0])
def test_the_static_step_leaves_a_loss_without_a_gradient_to_autograd(monkeypatch, name, logq):
    config = ModelConfig(layers=[5], loss=name, batch_size=4, n_sample=8, logq=logq)
    written = run(StaticStep, config, 20, seed=1)
    monkeypatch.setitem(LOSSES, name, replace(LOSSES[name], gradient=None))
    left = run(StaticStep, config, 20, seed=1)
    for one, other in zip(written, left, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


# enough rows for loops of several parts, and for some that are asked for ahead
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("most", [0, compiled_step._FEW], ids=["one after the other", "beside"])
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_threads_share_a_step_of_many_rows(monkeypatch, most, shared, momentum):
    monkeypatch.setattr(compiled_step, "_FEW", most)
    config = ModelConfig(
        layers=[20],
        batch_size=40,
        n_sample=1500,
        momentum=momentum,
        logq=1.0,
        embedding=8,
        constrained_embedding=shared,
    )
    assert_equal_to_autograd(config, n_items=3000, seed=1)


def make_step(n_sample: int) -> CompiledStep:
    config = ModelConfig(layers=[2], batch_size=2, n_sample=n_sample)
    cpu = torch.device("cpu")
    network = new_network(architecture_of(config), 9, seeded_draw(new_generator(1, cpu)))
    dropout = Dropout(0.0, 0.0, new_generator(1, cpu))
    return CompiledStep(network, make_optimizer(network, config), config, dropout, torch.zeros(9))


@pytest.mark.parametrize(
    ("negatives", "message"),
    [
        ([0, 9], "outside the catalogue"),
        ([-1, 0], "outside the catalogue"),
        ([3, 4, 5], "3 negatives were drawn, but n_sample is 2"),
    ],
)
def test_a_foreign_sampler_cannot_write_outside_the_tables(negatives, message):
    step = make_step(n_sample=2)
    two = torch.tensor([1, 2])
    with pytest.raises(IndexError, match=message):
        step(two, torch.tensor([0, 8]), torch.tensor(negatives), [torch.zeros(2, 2)])


def test_a_batch_has_no_more_rows_than_was_said() -> None:
    three, nothing = torch.tensor([1, 2, 3]), torch.tensor([], dtype=torch.int64)
    with pytest.raises(IndexError, match="a batch has 3 rows, not 2"):
        make_step(n_sample=2)(three, three, nothing, [torch.zeros(3, 2)])
