"""The two GRU cells, by torch alone (ICLR 2016, section 3; CIKM 2018, section 4)."""

from collections.abc import Mapping

import torch
from torch import Tensor


def advance(x: Tensor, h: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
    """Advances the states of a layer by its cell, which the names of the weights tell.

    Args:
        x: Shape (n, input width).
        h: Shape (n, units).
        weights: By their names as arguments of `gru` or `original_gru`.

    Returns:
        Shape (n, units).
    """
    return original_gru(x, h, **weights) if "bias" in weights else gru(x, h, **weights)


def gru(
    x: Tensor, h: Tensor, weight_ih: Tensor, weight_hh: Tensor, bias_ih: Tensor, bias_hh: Tensor
) -> Tensor:
    """The common GRU cell: reset gate after the recurrent product, gates ordered (r, z, n).

    Args:
        x: Shape (n, input width).
        h: Shape (n, units).
        weight_ih: Shape (3·units, input width).
        weight_hh: Shape (3·units, units).
        bias_ih: Shape (3·units,).
        bias_hh: Shape (3·units,).

    Returns:
        h' = (1 − z)∘candidate + z∘h, shape (n, units).
    """
    return torch.gru_cell(x, h, weight_ih, weight_hh, bias_ih, bias_hh)


def original_gru(x: Tensor, h: Tensor, weight_rz: Tensor, weight_h: Tensor, bias: Tensor) -> Tensor:
    """The original GRU: reset gate before the recurrent product, inputs ordered (candidate, r, z).

    Args:
        x: Input-to-gates rows of the items, shape (n, 3·units).
        h: Shape (n, units).
        weight_rz: Shape (units, 2·units).
        weight_h: Shape (units, units).
        bias: Shape (3·units,).

    Returns:
        h' = (1 − z)∘h + z∘candidate, shape (n, units).
    """
    units = h.shape[1]
    x = x + bias
    r, z = torch.sigmoid(x[:, units:] + h @ weight_rz).chunk(2, dim=1)
    candidate = torch.tanh(x[:, :units] + (r * h) @ weight_h)
    return (1 - z) * h + z * candidate
