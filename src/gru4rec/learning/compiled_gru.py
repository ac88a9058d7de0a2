"""The common GRU cell of the compiled step: compiled loops do what is between its products."""

import torch
from torch import Tensor

from gru4rec.compute.compiled import gru_kernels
from gru4rec.compute.compiled.loops import Loop


class CompiledGru:
    """Does what `cells.Gru` does.

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
        """See `cells.Cell`."""
        n = x.shape[0]
        gates, recurrent = self._products(n)
        self._saved = x, h, gates, recurrent
        torch.mm(self._weights["weight_ih"], x.T, out=gates)
        torch.mm(self._weights["weight_hh"], h.T, out=recurrent)
        out = torch.empty_like(h)
        self._combine(self._units, rows=n, h=h, out=out)
        return out

    def backward(self, gradient: Tensor) -> Tensor:
        """See `cells.Cell`."""
        x, h, gates, recurrent = self._saved
        by_out = gradient.T.contiguous()
        self._differentiate(self._units, rows=h.shape[0], gradient=by_out, h=h)
        torch.mm(gates, x, out=self.gradients["weight_ih"])
        torch.mm(recurrent, h, out=self.gradients["weight_hh"])
        return torch.mm(self._weights["weight_ih"].T, gates).T
