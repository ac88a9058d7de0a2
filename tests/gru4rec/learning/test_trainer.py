import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from gru4rec import GRU4Rec
from gru4rec.compute.compiled import loss_kernels
from gru4rec.config import Loss, ModelConfig
from gru4rec.data.schedule import Schedule, make_schedule
from gru4rec.errors import ConfigError, TrainingDivergedError
from gru4rec.learning.compiled_step import CompiledStep
from gru4rec.learning.trainer import Progress, Trainer, TrainingState
from gru4rec.model import losses
from gru4rec.model.build import make_optimizer
from gru4rec.model.losses import LOSSES, bpr_max, cross_entropy
from gru4rec.model.network import Architecture, Network

MakeNetwork = Callable[..., Network]


class FixedSampler:
    """Gives the same negatives in every step."""

    def __init__(self, items: list[int]) -> None:
        self._items = torch.tensor(items)

    def sample(self) -> Tensor:
        return self._items


def make_trainer(
    network: Network, negatives: list[int] | None = None, **options: object
) -> Trainer:
    config = ModelConfig.parse({"layers": list(network.architecture.layers), **options}, "test")
    counts = torch.arange(1, network.n_items + 1)
    generator = torch.Generator().manual_seed(1)
    state = TrainingState(network, make_optimizer(network, config), counts, generator)
    return Trainer(state, config, FixedSampler(negatives) if negatives else None)


def make_log(lengths: list[int], n_items: int, batch_size: int) -> tuple[np.ndarray, Schedule]:
    items = np.random.default_rng(3).integers(0, n_items, sum(lengths))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return items, make_schedule(offsets, np.arange(len(lengths)), batch_size)


class WholeTables:
    """The same training on whole tables that autograd differentiates: slow and plain."""

    def __init__(self, network: Network, config: ModelConfig, counts: Tensor) -> None:
        self.architecture, self.config = network.architecture, config
        self.log_counts = counts.double().log()
        self.tables = list(network.tables)
        tensors = {**network.tables, **network.dense}
        self.weights = {name: tensor.double().clone() for name, tensor in tensors.items()}
        self.accumulators = {n: torch.zeros_like(w) for n, w in self.weights.items()}
        self.velocities = {n: torch.zeros_like(w) for n, w in self.weights.items()}

    def step(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[float, list[Tensor]]:
        config = self.config
        weights = {n: w.clone().requires_grad_() for n, w in self.weights.items()}
        dense = {n: w for n, w in weights.items() if n not in self.tables}
        tables = {n: w for n, w in weights.items() if n in self.tables}
        network = Network(self.architecture, tables, dense)
        candidates = torch.cat([targets, negatives])
        states = network.advance(network.embed(inputs), hidden)
        scores = states[-1] @ tables["output"][candidates].T + tables["bias"][candidates]
        if config.loss == "bpr-max":
            lost = bpr_max(scores, config.bpreg, config.elu_param)
        else:
            of_targets = self.log_counts[targets]
            of_negatives = self.log_counts[negatives] * config.sample_alpha
            log_q = config.logq * torch.cat([of_targets, of_negatives])
            lost = cross_entropy(scores, log_q)
        (lost.sum() / config.batch_size).backward()
        used_in = {"bias": candidates, "output": candidates, "input": inputs}
        if self.architecture.shared:
            used_in["output"] = torch.cat([inputs, candidates])
        for name, weight in weights.items():
            rows = used_in[name].unique() if name in used_in else slice(None)
            gradient = weight.grad[rows]
            self.accumulators[name][rows] += gradient**2
            root = (self.accumulators[name][rows] + 1e-6).sqrt()
            velocity = config.momentum * self.velocities[name][rows]
            velocity = velocity - config.learning_rate * gradient / root
            self.velocities[name][rows] = velocity
            self.weights[name][rows] += velocity
        return float(lost.detach().sum()), [state.detach() for state in states]


@pytest.mark.parametrize("negatives", [[], [0, 3, 3, 9, 9, 9]], ids=["in batch", "sampled"])
@pytest.mark.parametrize(
    "options",
    [
        {"loss": "cross-entropy"},
        {"loss": "cross-entropy", "logq": 0.7, "sample_alpha": 0.75, "momentum": 0.3},
        {"loss": "bpr-max", "momentum": 0.3, "bpreg": 0.5},
        {"loss": "bpr-max", "elu_param": 0},
    ],
    ids=["cross-entropy", "log-Q and momentum", "bpr-max and momentum", "linear bpr-max"],
)
def test_steps_equal_training_on_whole_tables(
    architecture: Architecture,
    make_network: MakeNetwork,
    negatives: list[int],
    options: dict[str, object],
) -> None:
    network = make_network(architecture, n_items=10)
    trainer = make_trainer(network, negatives, batch_size=4, **options)
    oracle = WholeTables(network, trainer.config, trainer.state.counts)
    untouched = {name: table[8].clone() for name, table in network.tables.items()}
    # items that occur twice as input, twice as target and as both; the batch shrinks; no item 8
    steps = [
        ([1, 1, 2, 5], [2, 2, 1, 5]),
        ([2, 3, 1, 1], [3, 1, 0, 2]),
        ([7, 2, 4], [7, 0, 2]),
        ([2, 6], [6, 1]),
    ]
    hidden = network.zero_state(4)
    hidden_of_oracle = [h.double() for h in hidden]
    for inputs, targets in steps:
        hidden = [h[: len(inputs)] for h in hidden]
        hidden_of_oracle = [h[: len(inputs)] for h in hidden_of_oracle]
        both = torch.tensor(inputs), torch.tensor(targets)

        loss, hidden = trainer.step(*both, hidden)

        extra = torch.tensor(negatives, dtype=torch.int64)
        expected, hidden_of_oracle = oracle.step(*both, extra, hidden_of_oracle)
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    for name, weight in {**network.tables, **network.dense}.items():
        torch.testing.assert_close(weight.double(), oracle.weights[name], rtol=1e-4, atol=1e-5)
    for name, row in untouched.items():
        assert torch.equal(network.tables[name][8], row)


def test_the_loss_is_divided_by_the_nominal_batch_size(make_network: MakeNetwork) -> None:
    architecture = Architecture((4,), 0, shared=True)

    def accumulated(batch_size: int) -> Tensor:
        network = make_network(architecture, n_items=5)
        trainer = make_trainer(network, [3, 4], batch_size=batch_size)
        trainer.step(torch.tensor([0]), torch.tensor([1]), network.zero_state(1))
        return trainer.state.optimizer.accumulators["output"]

    # g² with g ∝ 1 / batch_size, also where the batch has shrunk to one row
    torch.testing.assert_close(accumulated(2), accumulated(6) * 9)


def test_states_are_cut_off_from_the_past(make_network: MakeNetwork) -> None:
    network = make_network(Architecture((4,), 0, shared=True), n_items=5)
    trainer = make_trainer(network, [3, 4])

    loss, states = trainer.step(torch.tensor([0]), torch.tensor([1]), network.zero_state(1))

    assert not loss.requires_grad
    assert not any(state.requires_grad for state in states)
    assert not any(table.requires_grad for table in network.tables.values())


# --- an epoch ---


class FrozenTrainer(Trainer):
    """Walks an epoch without learning; keeps what each step read and the states after it."""

    def step(
        self, inputs: Tensor, targets: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        network = self.state.network
        states = network.advance(network.embed(inputs), hidden)
        # the trainer resets states in place
        self.walked.append((inputs, targets, [state.clone() for state in states]))
        return torch.zeros(()), states

    walked: list[tuple[Tensor, Tensor, list[Tensor]]]


@pytest.mark.parametrize("batch_size", [2, 3, 7, 50])
def test_states_of_a_session_do_not_depend_on_its_lane(
    architecture: Architecture, make_network: MakeNetwork, batch_size: int
) -> None:
    network = make_network(architecture, n_items=10)
    lengths = [4, 2, 6, 3, 1, 2, 2, 5, 3, 8, 2]
    items, schedule = make_log(lengths, 10, batch_size)
    trainer = make_trainer(network)
    frozen = FrozenTrainer(trainer.state, trainer.config, None)
    frozen.walked = []

    frozen.run_epoch(items, schedule)

    alone = {}
    begin = 0
    for length in lengths:
        hidden = network.zero_state(1)
        for position in range(begin, begin + length):
            x = network.embed(torch.tensor([items[position]]))
            hidden = network.advance(x, hidden)
            alone[position] = hidden
        begin += length
    for step, (first, end) in enumerate(schedule.steps()):
        inputs, targets, states = frozen.walked[step]
        positions = schedule.positions[first:end]
        assert inputs.tolist() == items[positions].tolist()
        assert targets.tolist() == items[positions + 1].tolist()
        for layer in range(2):
            expected = torch.cat([alone[position][layer] for position in positions])
            torch.testing.assert_close(states[layer], expected)


def test_the_next_step_receives_the_dropped_out_states(
    architecture: Architecture, make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(architecture, n_items=10)
    items, schedule = make_log([9, 9, 9], 10, batch_size=3)  # no resets after the first step
    trainer = make_trainer(network, [1, 2], dropout_p_embed=0.5, dropout_p_hidden=0.5)
    step, received, returned = trainer.step, [], []

    def spy(inputs: Tensor, targets: Tensor, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        received.append([h.clone() for h in hidden])
        loss, states = step(inputs, targets, hidden)
        returned.append([state.clone() for state in states])
        return loss, states

    monkeypatch.setattr(trainer, "step", spy)
    trainer.run_epoch(items, schedule)

    assert len(received) == 8
    assert all(bool((states[-1] == 0).any()) for states in returned)
    for before, after in zip(returned, received[1:], strict=False):
        for state, hidden in zip(before, after, strict=True):
            assert torch.equal(state, hidden)


def test_an_epochs_loss_is_the_mean_over_its_examples(
    make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gru4rec.learning.trainer._CHECK_EVERY", 3)
    network = make_network(Architecture((4,), 0, shared=True), n_items=10)
    items, schedule = make_log([2, 6, 3, 5], 10, batch_size=2)
    trainer = make_trainer(network, [1, 2], batch_size=2)
    step, sums = trainer.step, []

    def spy(*arguments: Tensor | list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        loss, states = step(*arguments)  # type: ignore[arg-type]
        sums.append(float(loss))
        return loss, states

    monkeypatch.setattr(trainer, "step", spy)
    heard: list[Progress] = []

    totals = trainer.run_epoch(items, schedule, heard.append)

    n = 1 + 5 + 2 + 4
    assert totals.events == n
    assert totals.loss == pytest.approx(sum(sums) / n)
    assert (totals.epoch, totals.step) == (1, schedule.n_steps)
    assert [p.step for p in heard] == [*range(3, schedule.n_steps, 3), schedule.n_steps]
    assert heard[0].events == schedule.offsets[3]
    assert heard[0].loss == pytest.approx(sum(sums[:3]) / schedule.offsets[3])
    assert trainer.state.epochs == 1


@pytest.mark.parametrize("check_every", [1, 4, 128])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_named(
    make_network: MakeNetwork,
    monkeypatch: pytest.MonkeyPatch,
    check_every: int,
    value: float,
) -> None:
    monkeypatch.setattr("gru4rec.learning.trainer._CHECK_EVERY", check_every)
    network = make_network(Architecture((4,), 0, shared=True), n_items=10)
    items, schedule = make_log([9, 9], 10, batch_size=2)
    trainer = make_trainer(network, [1, 2])
    step, calls = trainer.step, []

    def spoil(*arguments: Tensor | list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        loss, states = step(*arguments)  # type: ignore[arg-type]
        calls.append(loss)
        return (loss * value if len(calls) >= 8 + 6 else loss), states

    monkeypatch.setattr(trainer, "step", spoil)
    trainer.run_epoch(items, schedule)

    with pytest.raises(
        TrainingDivergedError,
        match="not finite in epoch 2, step 6; a lower learning_rate or momentum usually helps, "
        "and cross-entropy",
    ):
        trainer.run_epoch(items, schedule)


def trained_on(loss: str, make_network: MakeNetwork) -> Network:
    network = make_network(Architecture((6,), 0, shared=True), 20)
    trainer = make_trainer(network, [1, 2, 3, 4], batch_size=4, n_sample=4)
    # the options of a configuration know the losses of the package only
    config = trainer.config.model_copy(update={"loss": loss})
    trainer = Trainer(trainer.state, config, trainer.sampler)
    items, schedule = make_log([5, 7, 3, 9, 6], 20, batch_size=4)
    trainer.run_epoch(items, schedule)
    return network


def test_a_loss_without_a_compiled_loop_is_left_to_autograd(
    make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(LOSSES, "mine", losses.Loss(partial(bpr_max, bpreg=1.0, elu_param=0)))
    monkeypatch.setitem(LOSSES, "bpr", replace(LOSSES["bpr-max"], kernel=None))
    names = ("cross-entropy", "bpr-max", "bpr", "mine")

    with caplog.at_level("INFO"):
        nets = {name: trained_on(name, make_network) for name in names}

    trained = {name: net.tables["output"] for name, net in nets.items()}
    torch.testing.assert_close(trained["bpr"], trained["bpr-max"], rtol=1e-4, atol=1e-6)
    for other in ("cross-entropy", "bpr-max"):
        assert (trained["mine"] - trained[other]).abs().max() > 1e-3
    said = zip(names[2:], caplog.messages, strict=True)
    assert all(line.startswith(f"The loss {name} has no compiled loop") for name, line in said)


def test_a_loss_without_a_function_is_refused(
    make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"the loss 'mine' has no entry in .*LOSSES"):
        trained_on("mine", make_network)
    monkeypatch.delitem(LOSSES, "bpr-max")
    with pytest.raises(ConfigError, match="the loss 'bpr-max' has no entry"):
        GRU4Rec(loss="bpr-max", device="cpu")


def test_every_loss_that_can_be_named_has_an_entry() -> None:
    assert set(get_args(Loss)) == set(LOSSES)


@pytest.mark.parametrize("name", LOSSES)
def test_what_an_entry_says_of_a_loss_is_there(name: str) -> None:
    loss = LOSSES[name]
    assert set(loss.options) <= ModelConfig.model_fields.keys()
    taken = inspect.signature(loss.function).parameters
    assert list(taken) == ["scores", *["log_q"] * loss.takes_log_q, *loss.options]
    assert (
        loss.kernel is None or set(loss.options) <= vars(loss_kernels)[loss.kernel].arguments.keys()
    )
    if loss.gradient:
        assert list(inspect.signature(loss.gradient).parameters) == [
            *("scores", "scale"),
            *loss.options,
        ]


def test_the_compiled_step_refuses_a_loss_that_it_does_not_have(
    make_network: MakeNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = make_trainer(make_network(Architecture((6,), 0, shared=True), 20))
    config = trainer.config.model_copy(update={"loss": "mine"})
    monkeypatch.setitem(LOSSES, "mine", replace(LOSSES["bpr-max"], kernel=None))
    state = trainer.state
    with pytest.raises(ConfigError, match="the gradient of the loss 'mine' is no compiled loop"):
        CompiledStep(state.network, state.optimizer, config, None, torch.zeros(20))  # type: ignore[arg-type]


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("kind", ["tables", "dense", "accumulators"])
def test_a_tensor_that_somebody_replaces_is_trained(make_network: MakeNetwork, kind: str) -> None:
    def train(replaced: bool) -> Trainer:
        trainer = make_trainer(make_network(Architecture((6,), 0, shared=True), 20), [3, 4])
        two = torch.tensor([1, 2]), torch.tensor([5, 6])
        trainer.step(*two, trainer.state.network.zero_state(2))
        owner = trainer.state.optimizer if kind == "accumulators" else trainer.state.network
        tensors = getattr(owner, kind)
        for name in tensors if replaced else ():
            tensors[name] = tensors[name].clone()
        trainer.step(*two, trainer.state.network.zero_state(2))
        return trainer

    usual, followed = train(replaced=False).state, train(replaced=True).state
    for one, other in ((usual.network, followed.network), (usual.optimizer, followed.optimizer)):
        for tensors in ("tables", "dense", "accumulators"):
            for name, tensor in getattr(one, tensors, {}).items():
                assert torch.equal(tensor, getattr(other, tensors)[name]), name


@pytest.mark.usefixtures("engine")
def test_a_table_that_lost_rows_is_refused(make_network: MakeNetwork) -> None:
    trainer = make_trainer(make_network(Architecture((6,), 5, shared=False), 20), [3, 19])
    two = torch.tensor([1, 2]), torch.tensor([5, 6])
    trainer.step(*two, trainer.state.network.zero_state(2))
    tables = trainer.state.network.tables
    tables["output"] = tables["output"][:4].clone()
    with pytest.raises((IndexError, ValueError)):
        trainer.step(*two, trainer.state.network.zero_state(2))
