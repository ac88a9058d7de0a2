import math

import pytest
import torch

from gru4rec.model.losses import bpr_max, cross_entropy


def log(rows: list[list[float]]) -> torch.Tensor:
    return torch.tensor(rows, dtype=torch.float64).log()


def random_scores(n_rows: int, n_candidates: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(n_rows, n_candidates, dtype=torch.float64, generator=generator)


def test_cross_entropy_of_small_scores() -> None:
    scores = log([[3, 1, 1], [1, 4, 3]])

    assert cross_entropy(scores).tolist() == pytest.approx([-math.log(3 / 5), -math.log(4 / 8)])


def test_log_q_is_subtracted_before_the_softmax() -> None:
    scores = log([[8, 2, 3], [2, 8, 3]])
    log_q = torch.tensor([2, 1, 3], dtype=torch.float64).log()

    # e^(score − log q) is 4, 2, 1 and 1, 8, 1
    losses = cross_entropy(scores, log_q)

    assert losses.tolist() == pytest.approx([-math.log(4 / 7), -math.log(8 / 10)])


def test_bpr_max_of_small_linear_scores() -> None:
    scores = log([[1, 1, 3]])

    # softmax over the negatives: 1/4, 3/4; σ(0 − log n) = 1 / (1 + n)
    ranking = -math.log(1 / 4 * 1 / 2 + 3 / 4 * 1 / 4)
    regularisation = 1 / 4 * 0 + 3 / 4 * math.log(3) ** 2

    assert bpr_max(scores, 0, 0).tolist() == pytest.approx([ranking])
    assert bpr_max(scores, 2, 0).tolist() == pytest.approx([ranking + 2 * regularisation])


def test_bpr_max_reads_the_positive_on_the_diagonal() -> None:
    scores = log([[1, 1, 3], [1, 1, 3], [1, 3, 1]])

    first, second, third = bpr_max(scores, 1, 0).tolist()

    assert first == second
    # the third row's negatives are 1 and 3 as well
    assert third == pytest.approx(first)


def test_bpr_max_bends_all_scores_by_the_elu_first() -> None:
    # α·(e^score − 1) below zero: 0.5·(1/2 − 1) = −1/4, for the positive too
    bent = torch.tensor([[-1 / 4, -3 / 8, math.log(3)]], dtype=torch.float64)

    losses = bpr_max(log([[1 / 2, 1 / 4, 3]]), 1, 0.5)

    assert losses.tolist() == pytest.approx(bpr_max(bent, 1, 0).tolist())


def test_bpr_max_leaves_the_rows_own_positive_out_of_the_softmax() -> None:
    def regularisation(positive: float) -> float:
        scores = torch.tensor([[positive, 0.5, -2.0]], dtype=torch.float64)
        return float(bpr_max(scores, 1, 0) - bpr_max(scores, 0, 0))

    assert regularisation(7.0) == pytest.approx(regularisation(-3.0), rel=1e-9)


def test_bpr_max_keeps_another_candidate_that_is_the_same_item() -> None:
    # the same item has the same score: the only negative, with weight 1
    scores = torch.tensor([[3.0, 3.0], [3.0, 3.0]], dtype=torch.float64)

    assert bpr_max(scores, 0, 0).tolist() == pytest.approx([math.log(2), math.log(2)])


def test_losses_stay_finite_where_the_positive_has_no_chance() -> None:
    scores = torch.tensor([[0.0, 1e4]])
    at_most = 24 * math.log(10)

    assert cross_entropy(scores).item() == pytest.approx(at_most)
    assert bpr_max(scores, 0, 0).item() == pytest.approx(at_most)


def test_every_row_counts_for_itself() -> None:
    scores = random_scores(3, 7)
    last = scores[2:].roll(-2, dims=1)  # its positive comes first now

    assert cross_entropy(scores)[2] == pytest.approx(cross_entropy(last).item())
    assert bpr_max(scores, 1, 0.5)[2] == pytest.approx(bpr_max(last, 1, 0.5).item())


@pytest.mark.parametrize("n_candidates", [3, 8])
@pytest.mark.parametrize("with_log_q", [False, True])
def test_gradient_of_cross_entropy(n_candidates: int, with_log_q: bool) -> None:
    log_q = random_scores(1, n_candidates)[0] if with_log_q else None
    scores = random_scores(3, n_candidates).requires_grad_()

    assert torch.autograd.gradcheck(lambda s: cross_entropy(s, log_q), scores)


@pytest.mark.parametrize("n_candidates", [3, 8])
@pytest.mark.parametrize("elu_param", [0, 0.5, 1])
@pytest.mark.parametrize("bpreg", [0, 1.5])
def test_gradient_of_bpr_max(n_candidates: int, elu_param: float, bpreg: float) -> None:
    scores = random_scores(3, n_candidates).requires_grad_()

    assert torch.autograd.gradcheck(lambda s: bpr_max(s, bpreg, elu_param), scores)
