"""GRU cells forward and backward, with the gradients written out; tests hold them to autograd.

What `forward` leaves in a cell object is what `backward` needs.
"""

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from gru4rec.model.network import Dropout


class Cell(Protocol):
    """A GRU layer in training.

    Attributes:
        gradients: By weight name, of the last `backward`.
    """

    gradients: dict[str, Tensor]

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Returns the new states (n, units) for inputs (n, width) and states (n, units)."""

    def backward(self, gradient: Tensor) -> Tensor:
        """Takes the gradient by the new states; returns the one by the inputs (n, width).

        Both may be views with the rows as columns in memory.
        """


class Gru:
    """The common GRU cell, see `cells.gru`.

    Args:
        weights: `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`; may change between steps.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights
        self._units = len(weights["bias_hh"]) // 3
        self.gradients: dict[str, Tensor] = {}

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """See `Cell`."""
        weights, gates = self._weights, [2 * self._units, self._units]
        by_x = torch.addmm(weights["bias_ih"], x, weights["weight_ih"].T)
        by_h = torch.addmm(weights["bias_hh"], h, weights["weight_hh"].T)
        (x_rz, x_candidate), (h_rz, h_candidate) = (
            products.split_with_sizes(gates, dim=1) for products in (by_x, by_h)
        )
        rz = (x_rz + h_rz).sigmoid_()
        candidate = torch.addcmul(x_candidate, rz[:, : self._units], h_candidate).tanh_()
        self._saved = x, h, rz, candidate, h_candidate
        return torch.lerp(candidate, h, rz[:, self._units :])

    def backward(self, gradient: Tensor) -> Tensor:
        """See `Cell`."""
        x, h, rz, candidate, h_candidate = self._saved
        units = self._units
        by_x = h.new_empty(len(h), 3 * units)
        d_rz, d_candidate = by_x.split_with_sizes([2 * units, units], dim=1)
        kept = torch.addcmul(gradient, gradient, rz[:, units:], value=-1)
        torch.ops.aten.tanh_backward(kept, candidate, grad_input=d_candidate)
        torch.mul(d_candidate, h_candidate, out=d_rz[:, :units])
        torch.mul(gradient, h - candidate, out=d_rz[:, units:])
        torch.ops.aten.sigmoid_backward(d_rz, rz, grad_input=d_rz)
        by_h = by_x.clone()
        by_h[:, 2 * units :].mul_(rz[:, :units])
        self.gradients = {
            "weight_ih": by_x.T @ x,
            "weight_hh": by_h.T @ h,
            "bias_ih": by_x.sum(0),
            "bias_hh": by_h.sum(0),
        }
        return by_x @ self._weights["weight_ih"]


class OriginalGru:
    """The original GRU of models without embedding, see `cells.original_gru`.

    Args:
        weights: `weight_rz`, `weight_h` and `bias`; may change between steps.
    """

    def __init__(self, weights: dict[str, Tensor]) -> None:
        self._weights = weights
        self.gradients: dict[str, Tensor] = {}

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """See `Cell`."""
        units = h.shape[1]
        x = x + self._weights["bias"]
        rz = torch.addmm(x[:, units:], h, self._weights["weight_rz"]).sigmoid_()
        reset = rz[:, :units] * h
        candidate = torch.addmm(x[:, :units], reset, self._weights["weight_h"]).tanh_()
        self._saved = h, rz, reset, candidate
        return torch.lerp(h, candidate, rz[:, units:])

    def backward(self, gradient: Tensor) -> Tensor:
        """See `Cell`."""
        h, rz, reset, candidate = self._saved
        units = h.shape[1]
        d_x = h.new_empty(len(h), 3 * units)
        d_candidate, d_r, d_z = d_x.split_with_sizes([units] * 3, dim=1)
        torch.mul(gradient.mul(rz[:, units:]), 1 - candidate * candidate, out=d_candidate)
        torch.mul(d_candidate @ self._weights["weight_h"].T, h, out=d_r)
        torch.mul(gradient, candidate - h, out=d_z)
        d_x[:, units:].mul_(rz * (1 - rz))
        self.gradients = {
            "weight_rz": h.T @ d_x[:, units:],
            "weight_h": reset.T @ d_candidate,
            "bias": d_x.sum(0),
        }
        return d_x


class Layers:
    """All GRU layers in training, with the dropout between them.

    Args:
        cells: One a layer.
        dropout: Drop probabilities.
        direct: The input rows are those of the gates, without embedding.
    """

    def __init__(self, cells: Sequence[Cell], dropout: Dropout, direct: bool) -> None:
        self._cells, self._dropout, self._direct = cells, dropout, direct
        self._probabilities = [dropout.p_hidden] * len(cells)
        if direct:
            self._probabilities[0] = dropout.p_embed
        self._masks: list[Tensor | None] = []

    def forward(self, x: Tensor, hidden: list[Tensor]) -> list[Tensor]:
        """Returns the new states, per layer (n, units), for input rows (n, width) and states."""
        self._masks = []
        if not self._direct:
            # the rows may be those that are updated afterwards
            x = _masked(x, self._mask(x, self._dropout.p_embed), in_place=False)
        states = []
        for h, cell, probability in zip(hidden, self._cells, self._probabilities, strict=True):
            x = cell.forward(x, h)
            x = _masked(x, self._mask(x, probability))
            states.append(x)
        return states

    def backward(self, gradient: Tensor) -> Tensor:
        """Takes the gradient by the last states, changes it; returns the one by the input rows."""
        masks = self._masks
        for cell in reversed(self._cells):
            gradient = cell.backward(_masked(gradient, masks.pop()))
        gradient = gradient.contiguous()
        return _masked(gradient, masks.pop()) if masks else gradient

    @property
    def gradients(self) -> dict[str, Tensor]:
        """Those of the last `backward`, by names of the network."""
        return {
            f"gru{layer}.{name}": gradient
            for layer, cell in enumerate(self._cells)
            for name, gradient in cell.gradients.items()
        }

    def _mask(self, values: Tensor, probability: float) -> Tensor | None:
        mask = self._dropout.mask(values, probability)
        self._masks.append(mask)
        return mask


def _masked(values: Tensor, mask: Tensor | None, in_place: bool = True) -> Tensor:
    if mask is None:
        return values
    return values.mul_(mask) if in_place else values * mask
