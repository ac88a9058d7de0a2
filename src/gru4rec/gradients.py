"""The gradients of cells and losses, written out; tests hold them against autograd."""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.losses import EPSILON


def gru_forward(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`network.gru`, and what its gradient needs."""
    units = h.shape[1]
    gates = torch.addmm(bias_ih, x, weight_ih.T)
    recurrent = torch.addmm(bias_hh, h, weight_hh.T)
    rz = gates[:, : 2 * units].add_(recurrent[:, : 2 * units]).sigmoid_()
    r, z = rz[:, :units], rz[:, units:]
    h_n = recurrent[:, 2 * units :]
    candidate = torch.addcmul(gates[:, 2 * units :], r, h_n).tanh_()
    return torch.lerp(candidate, h, z), (x, h, rz, h_n, candidate)


def gru_backward(
    gradient: Tensor, saved: tuple[Tensor, ...], weights: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of `network.gru` by its input and by its weights, given that by its output."""
    x, h, rz, h_n, candidate = saved
    units = h.shape[1]
    r, z = rz[:, :units], rz[:, units:]
    d_recurrent = h.new_empty(len(h), 3 * units)
    d_r, d_z, d_n = d_recurrent.split_with_sizes([units] * 3, dim=1)
    before_tanh = gradient.mul(1 - z).mul_(1 - candidate * candidate)
    torch.mul(before_tanh, h_n, out=d_r)
    torch.mul(gradient, h - candidate, out=d_z)
    d_recurrent[:, : 2 * units].mul_(rz * (1 - rz))
    torch.mul(before_tanh, r, out=d_n)
    d_gates = d_recurrent.clone()
    d_gates[:, 2 * units :] = before_tanh
    return d_gates @ weights["weight_ih"], {
        "weight_ih": d_gates.T @ x,
        "weight_hh": d_recurrent.T @ h,
        "bias_ih": d_gates.sum(0),
        "bias_hh": d_recurrent.sum(0),
    }


def original_gru_forward(
    x: Tensor, h: Tensor, weight_rz: Tensor, weight_h: Tensor, bias: Tensor
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`network.original_gru`, and what its gradient needs."""
    units = h.shape[1]
    x = x + bias
    rz = torch.addmm(x[:, units:], h, weight_rz).sigmoid_()
    r, z = rz[:, :units], rz[:, units:]
    reset = r * h
    candidate = torch.addmm(x[:, :units], reset, weight_h).tanh_()
    return torch.lerp(h, candidate, z), (h, rz, reset, candidate)


def original_gru_backward(
    gradient: Tensor, saved: tuple[Tensor, ...], weights: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Gradients of `network.original_gru`, as `gru_backward`."""
    h, rz, reset, candidate = saved
    units = h.shape[1]
    z = rz[:, units:]
    d_x = h.new_empty(len(h), 3 * units)
    d_candidate, d_r, d_z = d_x.split_with_sizes([units] * 3, dim=1)
    torch.mul(gradient.mul(z), 1 - candidate * candidate, out=d_candidate)
    torch.mul(d_candidate @ weights["weight_h"].T, h, out=d_r)
    torch.mul(gradient, candidate - h, out=d_z)
    d_x[:, units:].mul_(rz * (1 - rz))
    return d_x, {
        "weight_rz": h.T @ d_x[:, units:],
        "weight_h": reset.T @ d_candidate,
        "bias": d_x.sum(0),
    }


def cross_entropy_gradient(scores: Tensor, places: Tensor, shares: Tensor) -> Tensor:
    """Turns scores into the gradient of `losses.cross_entropy` by them, in place.

    Args:
        scores: Shape (n_rows, n_distinct), the logarithm of each candidate's weight added.
        places: Column of each row's positive, shape (n_rows,).
        shares: How much of its column's weight the positive itself has, shape (n_rows,).

    Returns:
        The loss of each row, shape (n_rows,).
    """
    q = torch.softmax(scores, dim=1, out=scores)
    positive = q.gather(1, places[:, None]).squeeze(1).mul_(shares)
    factor = positive / (positive + EPSILON)
    q.mul_(factor[:, None])
    q.scatter_add_(1, places[:, None], -factor[:, None])
    return -torch.log(positive + EPSILON)


def bpr_max_gradient(
    scores: Tensor, places: Tensor, copies: Tensor, bpreg: float, elu_param: float
) -> Tensor:
    """Turns scores into the gradient of `losses.bpr_max` by them, in place.

    Args:
        scores: Shape (n_rows, n_distinct).
        places: Column of each row's positive, shape (n_rows,).
        copies: How often each candidate occurs, shape (n_distinct,).
        bpreg: Weight of the score regularisation.
        elu_param: α of the ELU.

    Returns:
        The loss of each row, shape (n_rows,).
    """
    columns = places[:, None]
    r = F.elu(scores, alpha=elu_param) if elu_param else scores.clone()
    slope = torch.where(scores > 0, 1.0, r + elu_param) if elu_param else None
    # a row's own positive is no negative of it, but further copies of that item are
    s = r + torch.log(copies)
    others = torch.log(copies[places] - 1)[:, None]
    s.scatter_(1, columns, r.gather(1, columns) + others)
    torch.softmax(s, dim=1, out=s)
    wins = torch.sigmoid(r.gather(1, columns) - r)
    won = s * wins
    mean_win = won.sum(1, keepdim=True)
    squares = r * r
    mean_square = (s * squares).sum(1, keepdim=True)
    inverse = 1 / (mean_win + EPSILON)
    # s·((A − σ²)/(A + ε) + bpreg·(r² + 2r − R)), A and R the sums above
    torch.mul(won, wins, out=scores)
    pull = (mean_win - scores.sum(1, keepdim=True)) * inverse
    scores.mul_(-inverse)
    squares.add_(r, alpha=2).sub_(mean_square).mul_(bpreg).add_(mean_win * inverse)
    scores.addcmul_(s, squares)
    scores.scatter_add_(1, columns, -pull)
    if slope is not None:
        scores.mul_(slope)
    return (-torch.log(mean_win + EPSILON) + bpreg * mean_square).squeeze(1)
