"""The compiled loops of the step equal the readable functions, row by row."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from gru4rec.compute.compiled import step_kernels
from gru4rec.compute.compiled.openmp import Loop
from gru4rec.compute.compiled.step_kernels import (
    bpr_max_row,
    cross_entropy_row,
    exp,
    largest,
    sigmoid,
)
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


def test_exp_is_that_of_64_bits() -> None:
    x = np.linspace(-87, 87, 20_001, dtype=np.float32)

    found = np.array([exp(value) for value in x])

    np.testing.assert_allclose(found, np.exp(x.astype(np.float64)), rtol=2e-7)


def test_exp_keeps_to_what_32_bits_hold() -> None:
    assert exp(np.float32(1000)) == exp(np.float32(87))
    assert exp(np.float32(-np.inf)) == exp(np.float32(-87)) > 0


def test_what_is_no_number_stays_so() -> None:
    # else a training that diverges would go on unnoticed
    assert math.isnan(exp(np.float32(np.nan)))
    assert math.isnan(sigmoid(np.float32(np.nan)))
    scores = np.array([1, np.nan, 2], dtype=np.float32)
    assert math.isnan(cross_entropy_row(scores, 0, np.float32(1), np.float32(1)))


@pytest.mark.parametrize("n", [1, 7, 64, 100])
def test_largest(n: int) -> None:
    values = random(n, seed=n).numpy()

    assert largest(values) == values.max()
    assert largest(-np.abs(values)) == -np.abs(values).min()


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
        step_kernels.cross_entropy,
        step_kernels.CROSS_ENTROPY,
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


@pytest.mark.parametrize(("logq", "alpha"), [(0.0, 0.5), (1.0, 0.75), (1.0, 0.0), (300.0, 0.5)])
def test_copies_of_a_candidate_are_weighed_together(logq: float, alpha: float) -> None:
    # of the six rows all but the last are candidates
    positives, draws = torch.tensor([0, 0, 1, 2, 1]), torch.tensor([1, 3, 0, 0, 2])
    rows, log_counts = torch.tensor([5, 0, 2, 1, 4, 6]), torch.log(torch.arange(1.0, 8))
    table, biases = random(7, 3, seed=2), random(7, seed=3)
    out, found = torch.full((6, 5), torch.nan), torch.full((3, 5), torch.nan)

    def gather(logarithms: bool) -> None:
        offsets, copies, shares = found
        loop = Loop(
            step_kernels.gather,
            step_kernels.GATHER,
            grain=2,
            table=table,
            out=out,
            biases=biases,
            log_counts=log_counts,
            positives=positives,
            draws=draws,
            offsets=offsets,
            copies=copies,
            shares=shares,
            n_rows=7,
            width=3,
            stride=5,
            logarithms=logarithms,
            positive_logq=logq,
            negative_logq=logq * alpha,
        )
        loop(6, rows=rows, n_candidates=5)

    gather(logarithms=True)
    assert torch.equal(out[:, :3], table[rows])
    candidates = rows[:5]
    counts = log_counts[candidates].double()
    of_positive, of_draw = torch.exp(-logq * counts), torch.exp(-logq * alpha * counts)
    weights = positives * of_positive + draws * of_draw
    expected = torch.log(weights) + biases[candidates]
    torch.testing.assert_close(found[0].double(), expected, rtol=1e-5, atol=1e-6)
    assert found[1].tolist() == [1, 3, 1, 2, 3]
    positive = positives > 0
    shares = (of_positive / weights)[positive]
    torch.testing.assert_close(found[2][positive].double(), shares, rtol=1e-5, atol=1e-12)

    gather(logarithms=False)
    assert torch.equal(found[0], biases[candidates])


@pytest.mark.parametrize("bpreg", [0.0, 1.5])
@pytest.mark.parametrize("elu_param", [0.0, 0.5, 1.0])
def test_bpr_max(bpreg: float, elu_param: float) -> None:
    scores, offsets = random(3, 4, seed=1), random(4, seed=2)
    copies = (scores + offsets)[:, CANDIDATES].requires_grad_()
    expected = bpr_max(copies, bpreg, elu_param)
    losses = torch.empty(3)
    loop = Loop(
        step_kernels.bpr_max,
        step_kernels.BPR_MAX,
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
