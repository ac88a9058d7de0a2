"""The cells equal their formulas; and every engine advances one session as they do."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gru4rec.compute import ENGINES, cells
from gru4rec.compute.cells import gru, original_gru


def random(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def test_gru_equals_the_cell_of_torch() -> None:
    cell = torch.nn.GRUCell(3, 4, dtype=torch.float64)
    x, h = random(5, 3), random(5, 4, seed=4)

    ours = gru(x, h, **dict(cell.named_parameters()))

    torch.testing.assert_close(ours, cell(x, h))


def test_original_gru_resets_before_the_recurrent_product() -> None:
    # two units; inputs are ordered (candidate, r, z); z = 1 takes the candidate whole
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0, 99.0, 99.0]])
    h = torch.tensor([[2.0, 4.0]])
    weight_rz = torch.zeros(2, 4)
    weight_h = torch.tensor([[0.0, 0.25], [0.5, 0.0]])

    new = original_gru(x, h, weight_rz, weight_h, bias=torch.zeros(6))

    # r = 1/2: candidate = tanh(x + (r∘h)·W)
    expected = [math.tanh(1 + 1 / 2 * 4 * 0.5), math.tanh(1 / 2 * 2 * 0.25)]
    assert new[0].tolist() == pytest.approx(expected)


def test_original_gru_equals_its_formula() -> None:
    x, h = random(5, 6), random(5, 2, seed=4)
    weight_rz, weight_h, bias = random(2, 4, seed=5), random(2, 2, seed=6), random(6, seed=7)

    new = original_gru(x, h, weight_rz, weight_h, bias)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-values))

    for row in range(5):
        inputs, old = (x[row] + bias).numpy(), h[row].numpy()
        r = sigmoid(inputs[2:4] + old @ weight_rz.numpy()[:, :2])
        z = sigmoid(inputs[4:6] + old @ weight_rz.numpy()[:, 2:])
        candidate = np.tanh(inputs[:2] + (r * old) @ weight_h.numpy())
        expected = (1 - z) * old + z * candidate
        assert new[row].tolist() == pytest.approx(expected.tolist())


def test_gradient_of_gru() -> None:
    shapes = [(2, 3), (2, 4), (12, 3), (12, 4), (12,), (12,)]
    inputs = [random(*shape, seed=n).requires_grad_() for n, shape in enumerate(shapes)]

    assert torch.autograd.gradcheck(gru, inputs)


def test_gradient_of_original_gru() -> None:
    shapes = [(2, 12), (2, 4), (4, 8), (4, 4), (12,)]
    inputs = [random(*shape, seed=n).requires_grad_() for n, shape in enumerate(shapes)]

    assert torch.autograd.gradcheck(original_gru, inputs)


def weights_of(units: int, width: int | None, scale: float) -> dict[str, Tensor]:
    """Of the cell for inputs of some width; None: those of the gates, one row an item."""
    shapes: dict[str, tuple[int, ...]] = {
        "weight_ih": (3 * units, width or 0),
        "weight_hh": (3 * units, units),
        "bias_ih": (3 * units,),
        "bias_hh": (3 * units,),
    }
    if width is None:
        shapes = {
            "weight_rz": (units, 2 * units),
            "weight_h": (units, units),
            "bias": (3 * units,),
        }
    return {
        name: scale * random(*shape, seed=seed).float()
        for seed, (name, shape) in enumerate(shapes.items())
    }


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@given(
    units=st.integers(1, 40),
    width=st.none() | st.integers(1, 40),
    scale=st.sampled_from([0.0, 0.1, 1.0, 30.0]),
)
def test_one_session_advances_as_many_do(
    engine: str, units: int, width: int | None, scale: float
) -> None:
    weights = weights_of(units, width, scale)
    x, h = random(1, width or 3 * units, seed=8).float(), random(1, units, seed=9).float()

    new = ENGINES[engine]().advance_one(x, h, dict(reversed(weights.items())))

    exact = {name: weight.double() for name, weight in weights.items()}
    expected = cells.advance(x.double(), h.double(), exact).float()
    torch.testing.assert_close(new, expected, rtol=2e-5, atol=2e-5 * max(1, scale))
