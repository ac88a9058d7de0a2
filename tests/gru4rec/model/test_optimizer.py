import math
import os
from pathlib import Path

import pytest
import torch

from gru4rec.model.optimizer import Adagrad


def random(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def plain_adagrad(
    start: list[float], gradients: list[list[float]], learning_rate: float, momentum: float
) -> list[float]:
    values, accumulated, velocity = list(start), [0.0] * len(start), [0.0] * len(start)
    for gradient in gradients:
        for i, g in enumerate(gradient):
            accumulated[i] += g * g
            step = -learning_rate * g / math.sqrt(accumulated[i] + 1e-6)
            velocity[i] = momentum * velocity[i] + step
            values[i] += velocity[i]
    return values


@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_equals_a_plain_loop(momentum: float) -> None:
    parameter = random(5, seed=1)
    gradients = [random(5, seed=seed) for seed in range(2, 8)]
    expected = plain_adagrad(parameter.tolist(), [g.tolist() for g in gradients], 0.1, momentum)
    optimizer = Adagrad({"w": parameter}, 0.1, momentum)

    for gradient in gradients:
        optimizer.update("w", parameter, gradient)

    assert parameter.tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_rows_equal_a_plain_loop_over_the_steps_that_use_them(momentum: float) -> None:
    table = random(4, 3, seed=1)
    start = table.clone()
    used = [[0, 2], [2], [3, 2, 0], [0]]
    gradients = [random(len(rows), 3, seed=seed) for seed, rows in enumerate(used, start=2)]
    optimizer = Adagrad({"t": table}, 0.1, momentum)

    for rows, gradient in zip(used, gradients, strict=True):
        optimizer.update_rows("t", table, torch.tensor(rows), gradient)

    for row in range(4):
        its_gradients = [
            gradient[rows.index(row)].tolist()
            for rows, gradient in zip(used, gradients, strict=True)
            if row in rows
        ]
        expected = plain_adagrad(start[row].tolist(), its_gradients, 0.1, momentum)
        assert table[row].tolist() == pytest.approx(expected, rel=1e-5), row


def test_the_first_step_has_the_size_of_the_learning_rate() -> None:
    parameter = torch.zeros(3)

    Adagrad({"w": parameter}, 0.05, 0).update("w", parameter, torch.tensor([7.0, -0.1, 0.0]))

    # the accumulator starts from zero: g / √(g² + 1e-6)
    expected = [-0.05, 0.05 * 0.1 / math.sqrt(0.1**2 + 1e-6), 0.0]
    assert parameter.tolist() == pytest.approx(expected, rel=1e-6)


def test_rows_that_are_not_used_stay_as_they_are() -> None:
    table = random(4, 3, seed=1)
    optimizer = Adagrad({"t": table}, 0.1, 0.5)
    optimizer.update_rows("t", table, torch.arange(4), random(4, 3, seed=2))
    states = (table, optimizer.accumulators["t"], optimizer.velocities["t"])
    before = [state.clone() for state in states]

    optimizer.update_rows("t", table, torch.tensor([2]), random(1, 3, seed=3))

    for state, old in zip(states, before, strict=True):
        changed = (state != old).any(dim=1)
        assert changed.tolist() == [False, False, True, False]


def test_a_bias_is_a_table_of_numbers() -> None:
    bias = torch.zeros(3)

    Adagrad({"b": bias}, 0.1, 0).update_rows("b", bias, torch.tensor([1]), torch.tensor([2.0]))

    assert bias.tolist() == pytest.approx([0, -0.1, 0])


def test_the_gradient_is_left_alone() -> None:
    parameter, gradient = torch.zeros(2), torch.tensor([1.0, 2.0])

    Adagrad({"w": parameter}, 0.1, 0.5).update("w", parameter, gradient)

    assert gradient.tolist() == [1, 2]


def test_without_momentum_no_velocity_is_kept() -> None:
    assert Adagrad({"w": torch.zeros(2)}, 0.1, 0).velocities == {}


def test_new_rows_start_without_history() -> None:
    table = random(2, 3, seed=1)
    optimizer = Adagrad({"t": table}, 0.1, 0.5)
    optimizer.update_rows("t", table, torch.arange(2), random(2, 3, seed=2))
    before = optimizer.accumulators["t"].clone()

    optimizer.grow("t", 2)

    assert torch.equal(optimizer.accumulators["t"][:2], before)
    assert optimizer.accumulators["t"][2:].tolist() == [[0.0] * 3] * 2
    assert optimizer.velocities["t"][2:].tolist() == [[0.0] * 3] * 2


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads Linux's /proc")
def test_state_takes_no_memory_before_the_first_update() -> None:
    table = torch.ones(1 << 24)

    def pages() -> int:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])

    before = pages()
    optimizer = Adagrad({"t": table}, learning_rate=0.1, momentum=0.5)

    assert (pages() - before) * os.sysconf("SC_PAGE_SIZE") < table.nbytes / 10
    assert not optimizer.accumulators["t"][::4096].any()


@pytest.mark.parametrize("momentum", [0.0, 0.3])
def test_several_tensors_are_updated_together_as_one_by_one(momentum: float) -> None:
    shapes = {"a": (5, 3), "b": (4,)}

    def start() -> tuple[dict[str, torch.Tensor], Adagrad]:
        parameters = {name: random(*shape, seed=1) for name, shape in shapes.items()}
        return parameters, Adagrad(parameters, 0.1, momentum)

    (expected, alone), (parameters, together) = start(), start()
    for seed in range(3):
        gradients = {name: random(*shape, seed=seed) for name, shape in shapes.items()}
        before = {name: gradient.clone() for name, gradient in gradients.items()}
        for name, gradient in gradients.items():
            alone.update(name, expected[name], gradient)
        state = [list(s.values()) for s in (together.accumulators, together.velocities)]
        together.update_together(list(parameters.values()), *state, list(gradients.values()))
        assert all(torch.equal(gradients[name], before[name]) for name in shapes)

    for name in shapes:
        torch.testing.assert_close(parameters[name], expected[name])
        torch.testing.assert_close(together.accumulators[name], alone.accumulators[name])
