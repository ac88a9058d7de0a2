"""Gradients written out equal those of autograd on the readable functions."""

import pytest
import torch
from torch import Tensor

from gru4rec.compute.cells import gru, original_gru
from gru4rec.learning.cells import Gru, OriginalGru
from gru4rec.learning.compiled_gru import CompiledGru

N, UNITS = 20, 4
GRU = {
    "weight_ih": (3 * UNITS, 5),
    "weight_hh": (3 * UNITS, UNITS),
    "bias_ih": (3 * UNITS,),
    "bias_hh": (3 * UNITS,),
}
ORIGINAL = {"weight_rz": (UNITS, 2 * UNITS), "weight_h": (UNITS, UNITS), "bias": (3 * UNITS,)}


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("cell", "make_written", "shapes", "width"),
    [
        (gru, Gru, GRU, 5),
        # room for more rows than come: batches shrink at the end of an epoch
        (gru, lambda weights: CompiledGru(weights, N + 3), GRU, 5),
        (original_gru, OriginalGru, ORIGINAL, 3 * UNITS),
    ],
    ids=["gru", "compiled gru", "original_gru"],
)
def test_cells(cell, make_written, shapes, width):
    weights = {name: random(*shape, seed=i) for i, (name, shape) in enumerate(shapes.items())}
    written = make_written(weights)
    for n in (N, 3):  # buffers are used again
        x, h = random(n, width, seed=11).requires_grad_(), random(n, UNITS, seed=12)
        by_output = random(n, UNITS, seed=13)
        leaves = {name: weight.clone().requires_grad_() for name, weight in weights.items()}
        expected = cell(x, h, **leaves)
        expected.backward(by_output)
        with torch.no_grad():
            output = written.forward(x.detach().clone(), h)
            torch.testing.assert_close(output, expected.detach(), rtol=1e-5, atol=1e-6)
            by_x = written.backward(by_output.clone())
        torch.testing.assert_close(by_x, x.grad, rtol=1e-5, atol=1e-5)
        assert set(written.gradients) == set(weights)
        for name, leaf in leaves.items():
            torch.testing.assert_close(written.gradients[name], leaf.grad, rtol=1e-5, atol=1e-5)
