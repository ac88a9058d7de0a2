"""The two losses (CIKM 2018, sections 2.2 and 3.2), one value per row.

Row i's positive is candidate i. All other candidates are its negatives, also one that happens to
be the same item.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.compute.constants import EPSILON


def cross_entropy(scores: Tensor, log_q: Tensor | None = None) -> Tensor:
    """−log(softmax(scores)[positive] + 1e-24).

    Args:
        scores: Shape (n_rows, n_candidates), n_candidates ≥ n_rows.
        log_q: log-Q correction of each candidate, subtracted from its score before the softmax,
            shape (n_candidates,).

    Returns:
        Shape (n_rows,).
    """
    if log_q is not None:
        scores = scores - log_q
    return -torch.log(torch.softmax(scores, dim=1).diagonal() + EPSILON)


def bpr_max(scores: Tensor, bpreg: float, elu_param: float) -> Tensor:
    """−log(Σⱼ sⱼ·σ(r_pos − rⱼ) + 1e-24) + bpreg·Σⱼ sⱼ·rⱼ², s = softmax over the negatives.

    Args:
        scores: Shape (n_rows, n_candidates), n_candidates > 1.
        bpreg: Weight of the score regularisation.
        elu_param: α of the ELU that the scores r pass first; 0 leaves them linear.

    Returns:
        Shape (n_rows,).
    """
    if elu_param:
        scores = F.elu(scores, alpha=elu_param)
    positive = torch.eye(*scores.shape, dtype=torch.bool, device=scores.device)
    weights = torch.softmax(scores.masked_fill(positive, -torch.inf), dim=1)
    wins = torch.sigmoid(scores.diagonal()[:, None] - scores)
    ranking = -torch.log((weights * wins).sum(dim=1) + EPSILON)
    return ranking + bpreg * (weights * scores**2).sum(dim=1)
