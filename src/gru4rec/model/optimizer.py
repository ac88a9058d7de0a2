"""Adagrad with momentum; for tables only the rows that a step used."""

import copy

import torch
from torch import Tensor

from gru4rec.compute import zeros_like

EPSILON = 1e-6


class Adagrad:
    """acc += g²; step = −lr·g/√(acc + 1e-6); with momentum μ: v = μ·v + step, parameter += v.

    Args:
        parameters: Tensors by name; the state is made for them, starting from zero.
        learning_rate: lr.
        momentum: μ; 0 keeps no v.
    """

    def __init__(
        self, parameters: dict[str, Tensor], learning_rate: float, momentum: float
    ) -> None:
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.accumulators = _zeros_like(parameters)
        self.velocities = _zeros_like(parameters) if momentum else {}

    @torch.no_grad()
    def update(self, name: str, parameter: Tensor, gradient: Tensor) -> None:
        """Updates a whole tensor in place."""
        accumulator = self.accumulators[name].addcmul_(gradient, gradient)
        step = gradient.div(torch.sqrt(accumulator + EPSILON)).mul_(-self.learning_rate)
        if self.momentum:
            step = self.velocities[name].mul_(self.momentum).add_(step)
        parameter.add_(step)

    @torch.no_grad()
    def update_rows(self, name: str, table: Tensor, rows: Tensor, gradient: Tensor) -> None:
        """Updates some rows of a table in place; the state of the others stays as it is.

        Args:
            name: Name of the table.
            table: Shape (n_items, ...).
            rows: Distinct row numbers, shape (n,).
            gradient: Shape (n, ...).
        """
        accumulator = self.accumulators[name][rows].addcmul_(gradient, gradient)
        self.accumulators[name][rows] = accumulator
        step = gradient.div(torch.sqrt(accumulator + EPSILON)).mul_(-self.learning_rate)
        if self.momentum:
            step.add_(self.velocities[name][rows], alpha=self.momentum)
            self.velocities[name][rows] = step
        table.index_add_(0, rows, step)

    @torch.no_grad()
    def update_together(
        self,
        parameters: list[Tensor],
        accumulators: list[Tensor],
        velocities: list[Tensor],
        gradients: list[Tensor],
    ) -> None:
        """Updates tensors and their state in place, in as few kernels as one of them would take.

        Args:
            parameters: Of any shapes.
            accumulators: Of the same shapes.
            velocities: Likewise; without momentum none.
            gradients: Likewise; are left as they are.
        """
        # names that torch documents, in spite of the underscore
        torch._foreach_addcmul_(accumulators, gradients, gradients)
        roots = torch._foreach_add(accumulators, EPSILON)  # noqa: SLF001
        torch._foreach_sqrt_(roots)
        steps = list(torch._foreach_div(gradients, roots))  # noqa: SLF001
        torch._foreach_mul_(steps, -self.learning_rate)
        if self.momentum:
            torch._foreach_mul_(velocities, self.momentum)
            torch._foreach_add_(velocities, steps)
            steps = velocities
        torch._foreach_add_(parameters, steps)

    def copy(self) -> "Adagrad":
        """Returns one that grows apart; the tensors are the same until then."""
        other = copy.copy(self)
        other.accumulators, other.velocities = dict(self.accumulators), dict(self.velocities)
        return other

    def grow(self, name: str, n_rows: int) -> None:
        """Appends zero state for the new rows of a table."""
        for state in (self.accumulators, self.velocities):
            if name in state:
                old = state[name]
                state[name] = torch.cat([old, old.new_zeros(n_rows, *old.shape[1:])])

    def keep_rows(self, name: str, rows: Tensor) -> None:
        """Drops the state of all other rows of a table."""
        for state in (self.accumulators, self.velocities):
            if name in state:
                state[name] = state[name][rows]


def _zeros_like(parameters: dict[str, Tensor]) -> dict[str, Tensor]:
    """Zeros that take no memory before they are written: a model that only answers needs none."""
    return {name: zeros_like(p) for name, p in parameters.items()}
