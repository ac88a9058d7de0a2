"""GRU cells forward and backward, with the gradients written out; tests hold them to autograd.

A cell object keeps its buffers between steps: what `forward` leaves there is what `backward` needs.
"""

from typing import Protocol

import torch
from torch import Tensor

from gru4rec.compute.compiled import gru_kernels
from gru4rec.compute.compiled.loops import Loop


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
    """The common GRU cell, see `network.gru`.

    Args:
        weights: `weight_ih`, `weight_hh`, `bias_ih` and `bias_hh`; may change between steps.
        most_rows: Rows of the largest batch.
    """

    def __init__(self, weights: dict[str, Tensor], most_rows: int) -> None:
        self._weights = weights
        self.gradients = {name: torch.empty_like(weight) for name, weight in weights.items()}
        self._units = len(weights["bias_hh"]) // 3
        self._gates, self._recurrent = torch.empty(2, 3 * self._units * most_rows)
        room = {"gates": self._gates, "recurrent": self._recurrent}
        biases = {"bias_ih": weights["bias_ih"], "bias_hh": weights["bias_hh"]}
        self._combine = Loop(gru_kernels.gru, grain=16, **room, **biases)
        by_biases = {f"by_{name}": self.gradients[name] for name in biases}
        self._differentiate = Loop(gru_kernels.gru_gradient, grain=16, **room, **by_biases)

    def _products(self, n: int) -> tuple[Tensor, Tensor]:
        """Room for the products of inputs and of states, shape (3·units, n) each.

        Rows of a batch are columns here: with few of them, products are a third faster so.
        """
        size = 3 * self._units * n
        return self._gates[:size].view(-1, n), self._recurrent[:size].view(-1, n)

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """See `Cell`."""
        self._x, self._h = x, h
        gates, recurrent = self._products(len(x))
        torch.mm(self._weights["weight_ih"], x.T, out=gates)
        torch.mm(self._weights["weight_hh"], h.T, out=recurrent)
        out = torch.empty_like(h)
        self._combine(self._units, rows=len(x), h=h, out=out)
        return out

    def backward(self, gradient: Tensor) -> Tensor:
        """See `Cell`."""
        n = len(gradient)
        by_out = gradient.T.contiguous()
        self._differentiate(self._units, rows=n, gradient=by_out, h=self._h)
        gates, recurrent = self._products(n)
        torch.mm(gates, self._x, out=self.gradients["weight_ih"])
        torch.mm(recurrent, self._h, out=self.gradients["weight_hh"])
        by_x: Tensor = self._weights["weight_ih"].T @ gates
        return by_x.T


class OriginalGru:
    """The original GRU of models without embedding, see `network.original_gru`.

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
