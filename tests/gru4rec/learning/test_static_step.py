"""The static step never asks the device for a number, and touches no whole table."""

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from gru4rec.compute import Static, using
from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.learning.autograd_step import AutogradStep
from gru4rec.learning.replay import Replay
from gru4rec.learning.static_step import StaticStep, Uses
from gru4rec.learning.trainer import TrainingState
from gru4rec.model.build import architecture_of, make_optimizer, new_generator
from gru4rec.model.losses import LOSSES
from gru4rec.model.memory import memory_of_training
from gru4rec.model.negatives import most_draws
from gru4rec.model.network import Dropout, Network

CPU, META = torch.device("cpu"), torch.device("meta")
MODES = {
    "shared": {},
    "separate": {"constrained_embedding": False, "embedding": 5},
    "none": {"constrained_embedding": False},
}


def make_state(config: ModelConfig, n_items: int, device: torch.device) -> TrainingState:
    architecture = architecture_of(config)
    tables, dense = (
        {name: torch.zeros(shape, device=device) for name, shape in shapes.items()}
        for shapes in (architecture.table_shapes(n_items), architecture.dense_shapes())
    )
    network = Network(architecture, tables, dense)
    counts = torch.ones(n_items, dtype=torch.int64, device=device)
    optimizer = make_optimizer(network, config)
    return TrainingState(network, optimizer, counts, new_generator(1, CPU))


def make_step(
    config: ModelConfig, state: TrainingState, kind: type = StaticStep
) -> StaticStep | AutogradStep:
    dropout = Dropout(config.dropout_p_embed, config.dropout_p_hidden, state.generator)
    log_counts = state.counts.float().log()
    step: StaticStep | AutogradStep = kind(
        state.network, state.optimizer, config, dropout, log_counts
    )
    return step


class NoWaiting(TorchDispatchMode):
    """Refuses what needs numbers of the device to go on: numbers on the host, unknown shapes."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape} & {*func.tags}
        if func.overloadpacket in {torch.ops.aten.index, torch.ops.aten.index_put_}:
            # these wait for masks only
            indices = [index for index in args[1] if index is not None]
            tags = {index.dtype for index in indices if index.dtype is torch.bool}
        if tags:
            raise AssertionError(f"{func} waits for the device")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_nothing_waits(loss: str, mode: str) -> None:
    config = ModelConfig(
        layers=[6, 4],
        loss=loss,
        batch_size=3,
        n_sample=7,
        logq=1.0,
        momentum=0.2,
        dropout_p_embed=0.1,
        dropout_p_hidden=0.1,
        **MODES[mode],
    )
    state = make_state(config, 20, CPU)
    events = [torch.tensor([1, 1, 5]), torch.tensor([2, 5, 2]), torch.arange(7)]
    hidden = state.network.zero_state(3)
    with using("static") as engine:
        step = make_step(config, state)
        replay = Replay(step, hidden, 1, 7, engine.recorder(state.generator))
        with NoWaiting():
            step(*events, hidden)
            replay(*events[:2], torch.tensor([True, False, True]), events[2][None], hidden)
    with using("plain"), NoWaiting(), pytest.raises(AssertionError, match=r"unique.* waits"):
        make_step(config, state, AutogradStep)(*events, hidden)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("mode", MODES)
def test_all_tensors_are_on_the_device_of_the_model(loss: str, mode: str) -> None:
    options = {"loss": loss, "logq": 1.0, "momentum": 0.2, **MODES[mode]}
    config = ModelConfig(layers=[6, 4], batch_size=3, n_sample=7, **options)
    state = make_state(config, 20, META)  # which computes nothing, and refuses tensors of a CPU
    hidden = state.network.zero_state(3)
    two = [torch.zeros(2, n, dtype=torch.int64, device=META) for n in (3, 3, 7)]
    starts = torch.zeros(2, 3, dtype=torch.bool, device=META)
    with using(Static(), "meta") as engine:
        step = make_step(config, state)
        loss_of, states = step(*(events[0] for events in two), hidden)
        replay = Replay(step, hidden, 2, 7, engine.recorder(state.generator))
        losses, others = replay(two[0], two[1], starts, two[2], hidden)
    assert {tensor.device for tensor in (loss_of, *states, *losses, *others)} == {META}
    on_cpu = make_step(config, make_state(config, 20, CPU))
    with pytest.raises((RuntimeError, NotImplementedError)):
        on_cpu(*(events[0] for events in two), hidden)


class Sizes(TorchDispatchMode):
    """Adds up the bytes of all new tensors, as if none were ever freed."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        given = torch.utils._pytree.tree_leaves((args, kwargs))
        known = {t.untyped_storage()._cdata for t in given if isinstance(t, Tensor)}
        result = func(*args, **(kwargs or {}))
        for new in torch.utils._pytree.tree_leaves(result):
            if isinstance(new, Tensor) and new.untyped_storage()._cdata not in known:
                self.total += new.untyped_storage().nbytes()
                self.largest = max(self.largest, new.untyped_storage().nbytes())
        return result


def test_five_million_items_of_512_units_train_in_40_gb() -> None:
    n_items, units = 5_000_000, 512
    config = ModelConfig(layers=[units], batch_size=240, n_sample=2048, momentum=0.3, logq=1.0)
    state = make_state(config, n_items, META)
    step = make_step(config, state)
    kept = [tensor for named in state.tensors() for tensor in named.values()]
    n_bytes = sum(tensor.untyped_storage().nbytes() for tensor in kept)
    dense = 2 * (3 * units * units) + 2 * 3 * units
    assert n_bytes == 3 * 4 * (n_items * (units + 1) + dense)

    hidden = state.network.zero_state(240)
    events = [torch.zeros(n, dtype=torch.int64, device=META) for n in (240, 240, 2048)]
    with Sizes() as sizes:
        step(*events, hidden)

    # counts and their logarithms, and the distribution of the sampler in 64 bits
    of_items = n_items * (4 + 4 + 8)
    of_draws = most_draws(2048, 10_000_000) * 3 * 8
    of_epoch = 100_000_000 * (8 + 8 + 1)  # inputs, targets and starts of as many events
    assert sizes.largest < 4 * n_items  # no tensor of a step has a number an item
    assert n_bytes + sizes.total + of_items + of_draws + of_epoch < 40e9
    told = memory_of_training(config, architecture_of(config), TrainingConfig(), n_items, True)
    assert 0.99 * n_bytes < sum(told.values()) < n_bytes + sizes.total + of_draws


def test_gradients_of_an_item_are_summed_at_each_of_its_places() -> None:
    items = torch.tensor([4, 0, 4, 9, 0, 4])
    gradients = torch.tensor([[1.0, 10], [2, 20], [4, 40], [8, 80], [16, 160], [32, 320]])

    [uses] = Uses.of_steps(items[None])
    totals = uses.total(gradients)

    assert totals[:, 0].tolist() == [1 + 4 + 32, 2 + 16, 1 + 4 + 32, 8, 2 + 16, 1 + 4 + 32]
    assert totals[:, 1].tolist() == (10 * totals[:, 0]).tolist()


@pytest.mark.usefixtures("torch_threads")
def test_the_same_bits_twice() -> None:
    config = ModelConfig(layers=[30], batch_size=40, n_sample=300, momentum=0.2)

    def train() -> list[Tensor]:
        state = make_state(config, 50, CPU)  # each item occurs several times
        draws = torch.Generator().manual_seed(1)
        for named in (state.network.tables, state.network.dense):
            for tensor in named.values():
                tensor.uniform_(-0.5, 0.5, generator=draws)
        step, hidden = make_step(config, state), state.network.zero_state(40)
        for _ in range(5):
            events = [torch.randint(0, 50, (n,), generator=draws) for n in (40, 40, 300)]
            _, hidden = step(*events, hidden)
        return [tensor for named in state.tensors() for tensor in named.values()]

    for one, other in zip(train(), train(), strict=True):
        assert torch.equal(one, other)
