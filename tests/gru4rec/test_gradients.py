"""Gradients written out equal those of autograd on the readable functions, in 64 bits."""

import pytest
import torch
from torch import Tensor

from gru4rec.gradients import (
    bpr_max_gradient,
    cross_entropy_gradient,
    gru_backward,
    gru_forward,
    original_gru_backward,
    original_gru_forward,
)
from gru4rec.losses import bpr_max, cross_entropy
from gru4rec.network import gru, original_gru

N, UNITS = 3, 4
GRU = {
    "weight_ih": (3 * UNITS, 5),
    "weight_hh": (3 * UNITS, UNITS),
    "bias_ih": (3 * UNITS,),
    "bias_hh": (3 * UNITS,),
}
ORIGINAL = {"weight_rz": (UNITS, 2 * UNITS), "weight_h": (UNITS, UNITS), "bias": (3 * UNITS,)}


def random(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("cell", "forward", "backward", "shapes", "width"),
    [
        (gru, gru_forward, gru_backward, GRU, 5),
        (original_gru, original_gru_forward, original_gru_backward, ORIGINAL, 3 * UNITS),
    ],
    ids=["gru", "original_gru"],
)
def test_cells(cell, forward, backward, shapes, width):
    x = random(N, width, seed=1).requires_grad_()
    h = random(N, UNITS, seed=2)
    weights = {
        name: random(*shape, seed=3 + i).requires_grad_()
        for i, (name, shape) in enumerate(shapes.items())
    }
    by_output = random(N, UNITS, seed=9)
    expected = cell(x, h, **weights)
    expected.backward(by_output)
    with torch.no_grad():
        output, saved = forward(x, h, **weights)
        by_x, by_weight = backward(by_output.clone(), saved, weights)
    torch.testing.assert_close(output, expected.detach())
    torch.testing.assert_close(by_x, x.grad)
    assert set(by_weight) == set(weights)
    for name, weight in weights.items():
        torch.testing.assert_close(by_weight[name], weight.grad)


# three rows and six candidates: items 0, 1, 0 are the positives, then 1, 2, 3
CANDIDATES = torch.tensor([0, 1, 0, 1, 2, 3])
PLACES = CANDIDATES[:N]


def gradient_by_items(losses: Tensor, scores: Tensor) -> Tensor:
    """Sums the gradients of all copies of an item, shape (rows, items)."""
    (by_candidate,) = torch.autograd.grad(losses.sum(), scores)
    return torch.zeros(N, 4, dtype=torch.float64).index_add_(1, CANDIDATES, by_candidate)


@pytest.mark.parametrize("corrected", [False, True])
def test_cross_entropy(corrected):
    scores = random(N, 4, seed=1)
    log_q = random(6, seed=2) if corrected else torch.zeros(6, dtype=torch.float64)
    log_q[2] = log_q[0]  # the correction of a target depends on its item alone
    copies = scores[:, CANDIDATES].requires_grad_()
    expected = cross_entropy(copies, log_q)
    weights = torch.zeros(4, dtype=torch.float64).index_add_(0, CANDIDATES, torch.exp(-log_q))
    given = scores + torch.log(weights)
    shares = torch.exp(-log_q)[:N] / weights[PLACES]
    losses = cross_entropy_gradient(given, PLACES, shares)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(given, gradient_by_items(expected, copies))


@pytest.mark.parametrize("bpreg", [0.0, 1.5])
@pytest.mark.parametrize("elu_param", [0.0, 0.5, 1.0])
def test_bpr_max(bpreg, elu_param):
    scores = random(N, 4, seed=1)
    copies = scores[:, CANDIDATES].requires_grad_()
    expected = bpr_max(copies, bpreg, elu_param)
    given = scores.clone()
    counts = torch.bincount(CANDIDATES).double()
    losses = bpr_max_gradient(given, PLACES, counts, bpreg, elu_param)
    torch.testing.assert_close(losses, expected.detach())
    torch.testing.assert_close(given, gradient_by_items(expected, copies))
