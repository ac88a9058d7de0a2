"""Losses with written gradients equal the readable functions, which autograd differentiates."""

from typing import Any

import pytest
import torch

from gru4rec.model.losses import LOSSES

WRITTEN = [name for name, loss in LOSSES.items() if loss.gradient]
VALUES: dict[str, list[float]] = {"bpreg": [0.0, 1.5], "elu_param": [0.0, 0.5]}


def all_options(names: tuple[str, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{}]
    for name in names:
        found = [{**options, name: value} for options in found for value in VALUES[name]]
    return found


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("spread", [0.1, 3.0, 60.0])
@pytest.mark.parametrize(("n_rows", "n_candidates"), [(1, 2), (2, 2), (5, 5), (4, 30)])
def test_equal_autograd(name: str, spread: float, n_rows: int, n_candidates: int) -> None:
    loss = LOSSES[name]
    scores = spread * torch.randn(
        n_rows, n_candidates, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    for options in all_options(loss.options):
        leaf = scores.clone().requires_grad_()
        expected = loss.function(leaf, *[None] * loss.takes_log_q, **options)
        expected.sum().mul(0.25).backward()
        assert loss.gradient is not None
        losses, gradient = loss.gradient(scores.clone(), 0.25, **options)
        torch.testing.assert_close(losses, expected.detach())
        torch.testing.assert_close(gradient, leaf.grad, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_positive_without_a_chance_has_a_finite_loss(name: str) -> None:
    loss = LOSSES[name]
    scores = torch.tensor([[-200.0, 200.0, 0.0]])
    options = dict.fromkeys(loss.options, 0.0)
    losses, gradient = loss.gradient(scores, 1.0, **options)  # type: ignore[misc]
    # −log(0 + 1e-24)
    assert losses.tolist() == pytest.approx([24 * 2.302585], rel=1e-5)
    assert gradient.isfinite().all()
