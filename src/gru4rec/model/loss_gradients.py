"""The losses with their gradients written out, in torch: few kernels, and no table of operations.

Candidates stand as often as they occur. Each function may change the scores.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.compute.constants import EPSILON


def cross_entropy(scores: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """`losses.cross_entropy` and its gradient.

    Args:
        scores: Log-Q corrections subtracted, shape (n_rows, n_candidates).
        scale: What the gradient is multiplied by.

    Returns:
        The losses, shape (n_rows,), and their gradient by the scores.
    """
    shares = torch.softmax(scores, dim=1)
    own = shares.diagonal().clone()
    sure = own + EPSILON
    factors = own.div_(sure).mul_(scale)
    shares.mul_(factors[:, None])
    shares.diagonal().sub_(factors)
    return sure.log_().neg_(), shares


def bpr_max(scores: Tensor, scale: float, bpreg: float, elu_param: float) -> tuple[Tensor, Tensor]:
    """`losses.bpr_max` and its gradient.

    By a negative's score it is s·((A − σ²)/(A + ε) + bpreg·(r² + 2r − R)), where A and R are the
    means of σ and r² weighted by s; by the positive's it is −(A − Σ s·σ²)/(A + ε).

    Args:
        scores: Shape (n_rows, n_candidates).
        scale: What the gradient is multiplied by.
        bpreg: See `losses.bpr_max`.
        elu_param: See `losses.bpr_max`.

    Returns:
        The losses, shape (n_rows,), and their gradient by the scores.
    """
    if elu_param:
        F.elu_(scores, alpha=elu_param)
    own = scores.diagonal().clone()
    weights = scores.clone()
    weights.diagonal().fill_(-torch.inf)
    weights = torch.softmax(weights, dim=1)
    wins = torch.sigmoid(own[:, None] - scores)
    won_by = weights * wins
    won, won_twice = won_by.sum(dim=1), won_by.mul_(wins).sum(dim=1)
    sure = won + EPSILON
    squares = scores * scores
    regularised = (weights * squares).sum(dim=1)
    pull = torch.sub(won[:, None], wins.square_()).div_(sure[:, None])
    if bpreg:
        bent = squares.add_(scores, alpha=2).sub_(regularised[:, None])
        pull.add_(bent, alpha=bpreg)
    gradient = weights.mul_(pull)
    gradient.diagonal().sub_((won - won_twice) / sure)  # there the weight is 0
    if elu_param:
        gradient = torch.ops.aten.elu_backward(gradient, elu_param, 1, 1, True, scores)
    return regularised.mul_(bpreg).sub_(sure.log_()), gradient.mul_(scale)
