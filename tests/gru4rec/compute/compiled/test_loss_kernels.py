"""The compiled loops of the losses equal the readable functions, row by row."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gru4rec.compute.compiled import loss_kernels
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.compiled.loss_kernels import bpr_max_row, cross_entropy_row
from gru4rec.model.losses import bpr_max, cross_entropy

# three rows and six candidates: items 0, 1, 0 are the positives, then 1, 2, 3
CANDIDATES = torch.tensor([0, 1, 0, 1, 2, 3])
PLACES = CANDIDATES[:3]


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradient_by_items(losses: Tensor, scores: Tensor) -> Tensor:
    """Sums the gradients of all copies of an item, shape (rows, items)."""
    (by_candidate,) = torch.autograd.grad(losses.sum(), scores)
    return torch.zeros(3, 4).index_add_(1, CANDIDATES, by_candidate)


def test_what_is_no_number_stays_so() -> None:
    # else a training that diverges would go on unnoticed
    scores = np.array([1, np.nan, 2], dtype=np.float32)
    assert math.isnan(cross_entropy_row(scores, 0, np.float32(1), np.float32(1)))


@pytest.mark.parametrize("corrected", [False, True])
def test_cross_entropy(corrected: bool) -> None:
    scores = random(3, 4, seed=1)
    log_q = random(6, seed=2) if corrected else torch.zeros(6)
    log_q[2] = log_q[0]  # the correction of a target depends on its item alone
    copies = scores[:, CANDIDATES].requires_grad_()
    expected = cross_entropy(copies, log_q)
    weights = torch.zeros(4).index_add_(0, CANDIDATES, torch.exp(-log_q))
    shares = torch.zeros(4)
    shares[PLACES] = torch.exp(-log_q)[:3] / weights[PLACES]
    losses = torch.empty(3)
    loop = Loop(
        loss_kernels.cross_entropy,
        grain=1,
        places=PLACES,
        offsets=torch.log(weights),
        shares=shares,
        losses=losses,
        width=4,
        scale=1.0,
    )
    given = torch.empty(3, 4)

    loop(3, products=scores.T.contiguous(), scores=given)

    torch.testing.assert_close(losses, expected.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(given, gradient_by_items(expected, copies), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bpreg", [0.0, 1.5])
@pytest.mark.parametrize("elu_param", [0.0, 0.5, 1.0])
def test_bpr_max(bpreg: float, elu_param: float) -> None:
    scores, offsets = random(3, 4, seed=1), random(4, seed=2)
    copies = (scores + offsets)[:, CANDIDATES].requires_grad_()
    expected = bpr_max(copies, bpreg, elu_param)
    losses = torch.empty(3)
    loop = Loop(
        loss_kernels.bpr_max,
        grain=1,
        places=PLACES,
        offsets=offsets,
        copies=torch.bincount(CANDIDATES).float(),
        losses=losses,
        width=4,
        bpreg=bpreg,
        elu_param=elu_param,
        scale=1.0,
    )
    given = torch.empty(3, 4)

    loop(3, products=scores.T.contiguous(), scores=given)

    torch.testing.assert_close(losses, expected.detach(), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(given, gradient_by_items(expected, copies), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("lead", [60.0, -60.0])
def test_far_scores_have_finite_losses(lead: float) -> None:
    scores = np.array([lead, 0, -lead, 1], dtype=np.float32)
    room = np.empty((2, 4), dtype=np.float32)
    one = np.float32(1)

    # a positive of no probability: −log(1e-24)
    loss = cross_entropy_row(scores.copy(), 0, one, one)
    assert loss == pytest.approx(0 if lead > 0 else 24 * math.log(10))
    zero = np.float32(0)
    assert np.isfinite(bpr_max_row(scores, 0, np.ones(4, np.float32), zero, zero, one, *room))
    assert np.isfinite(scores).all()
