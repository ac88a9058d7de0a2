"""The losses (CIKM 2018, sections 2.2 and 3.2), one value per row.

Row i's positive is candidate i. All other candidates are its negatives, also one that happens to
be the same item.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.compute.constants import EPSILON
from gru4rec.errors import ConfigError
from gru4rec.model import loss_gradients


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


@dataclass(frozen=True)
class Loss:
    """What training needs to know of a loss.

    Attributes:
        function: Scores (n_rows, n_candidates) → (n_rows,); is given the options by name.
        options: Options of the model that it takes.
        takes_log_q: It is a softmax over all candidates: `function` takes the log-Q correction of
            each, or None, after the scores, and copies of a candidate add up to one weight.
        kernel: The compiled loop of its gradient, in `compute.compiled.loss_kernels`; None leaves
            it to autograd, which takes several times as long on a CPU.
        gradient: Scores (n_rows, n_candidates), which it may change, a factor of the gradient, and
            the options by name → (n_rows,) and the gradient by the scores, in torch; scores have
            the log-Q correction. None leaves it to autograd, in a few more kernels.
        fused: The kernel for GPUs of products and gradient, in `compute.fused.losses`; is given the
            options by name, and with `takes_log_q` what makes the correction. None leaves it to
            `gradient`.
    """

    function: Callable[..., Tensor]
    options: tuple[str, ...] = ()
    takes_log_q: bool = False
    kernel: str | None = None
    gradient: Callable[..., tuple[Tensor, Tensor]] | None = None
    fused: str | None = None


LOSSES = {
    "cross-entropy": Loss(
        cross_entropy,
        takes_log_q=True,
        kernel="cross_entropy",
        gradient=loss_gradients.cross_entropy,
        fused="cross_entropy",
    ),
    "bpr-max": Loss(
        bpr_max,
        options=("bpreg", "elu_param"),
        kernel="bpr_max",
        gradient=loss_gradients.bpr_max,
        fused="bpr_max",
    ),
}


def find_loss(name: str) -> Loss:
    """Returns the entry of a loss.

    Raises:
        ConfigError: There is none.
    """
    if name not in LOSSES:
        raise ConfigError(
            f"the loss {name!r} has no entry in gru4rec.model.losses.LOSSES, which has "
            f"{', '.join(LOSSES)}; add it there"
        )
    return LOSSES[name]
