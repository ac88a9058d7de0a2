"""Losses of SASRec on a sample of the catalogue; one value a row.

Row i's positive is candidate i, and the last candidates are drawn negatives. A candidate that is
the same item as the row's positive is no negative of it.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor


def sampled_softmax(scores: Tensor, candidates: Tensor, log_q: Tensor) -> Tensor:
    """−log softmax(scores − log q)[positive], over the positive and its negatives.

    With q how often an item is expected among the negatives, and 1 for the positive, which is there
    for certain, it estimates the softmax over all items (Bengio & Senécal 2008; Khrylchenko et al.,
    RecSys 2025, for the positive). SASRec gained most from it, over its own loss with one negative
    (Klenitskiy & Vasilev, RecSys 2023, section 3); eSASRec takes it, too.

    Args:
        scores: Shape (n_rows, n_candidates), n_candidates ≥ n_rows.
        candidates: Items, shape (n_candidates,).
        log_q: Of each as a negative, shape (n_candidates,).

    Returns:
        Shape (n_rows,).
    """
    own = scores.diagonal()
    same = candidates[: len(scores), None] == candidates
    others = torch.logsumexp((scores - log_q).masked_fill(same, -torch.inf), dim=1)
    return torch.logaddexp(own, others) - own


def calibrated_cross_entropy(
    scores: Tensor, candidates: Tensor, n_items: int, calibration: float
) -> Tensor:
    """Computes gBCE (Petrov & Macdonald, RecSys 2023, section 5) over the k drawn negatives.

    −(β log σ(positive) + Σ log(1 − σ(negative))) / (k + 1) with β = 1 − t (1 − α), where
    α = k / (n_items − 1) is the share of negatives that is drawn, uniformly; t = 0 is binary
    cross-entropy, whose scores are too high, as most negatives are never seen.

    Args:
        scores: Shape (n_rows, n_rows + k).
        candidates: Items, shape (n_rows + k,).
        n_items: Size of the catalogue.
        calibration: t, 0 to 1.

    Returns:
        Shape (n_rows,).
    """
    n, k = len(scores), scores.shape[1] - len(scores)
    same = candidates[:n, None] == candidates[n:]
    share = min(1.0, k / max(1, n_items - 1))
    beta = 1 - calibration * (1 - share)
    negatives = F.logsigmoid(-scores[:, n:]).masked_fill(same, 0.0)
    return -(beta * F.logsigmoid(scores.diagonal()) + negatives.sum(dim=1)) / (k + 1)
