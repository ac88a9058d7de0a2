"""Training steps as one piece of work that can be repeated, on tensors that stay in place.

A CUDA graph is such a repetition: it launches the kernels of all steps at once, where launching
one after the other takes longer than running them. Before each repetition the events and negatives
of the steps are copied to where the work reads them, from one place on the device to another.
"""

import torch
from torch import Tensor

from gru4rec.compute import Record
from gru4rec.learning.static_step import StaticStep
from gru4rec.model.states import reset_states


class Replay:
    """Repeats a number of steps of a number of rows.

    Args:
        step: Takes one; has taken one of so many rows before.
        hidden: Hidden states of that shape, per layer (n, units).
        n_steps: How many.
        n_sample: Extra negatives of a step.
        record: Of the engine.

    Attributes:
        works: Whether the engine could record it.
    """

    def __init__(
        self, step: StaticStep, hidden: list[Tensor], n_steps: int, n_sample: int, record: Record
    ) -> None:
        n, device = len(hidden[0]), hidden[0].device
        self._step = step
        self._inputs, self._targets = torch.zeros(2, n_steps, n, dtype=torch.int64, device=device)
        self._starts = torch.zeros(n_steps, n, dtype=torch.bool, device=device)
        self._negatives = torch.zeros(n_steps, n_sample, dtype=torch.int64, device=device)
        self._losses = torch.zeros(n_steps, device=device)
        self._hidden = [h.clone() for h in hidden]
        self._run = record(self._take_steps)
        self.works = self._run is not None

    def __call__(
        self,
        inputs: Tensor,
        targets: Tensor,
        starts: Tensor,
        negatives: Tensor | None,
        hidden: list[Tensor],
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Trains on several mini-batches.

        Args:
            inputs: Item indices, those of each step after the other, shape (n_steps · n,).
            targets: Likewise.
            starts: Whether a session begins there, likewise.
            negatives: Shape (n_steps, n_sample); None without any.
            hidden: Hidden states before the first step; of more rows where the batch shrinks.

        Returns:
            The losses of the steps, and the hidden states after the last, which the next call
            overwrites.
        """
        for kept, given in ((self._inputs, inputs), (self._targets, targets)):
            kept.copy_(given.view_as(kept))
        self._starts.copy_(starts.view_as(self._starts))
        if negatives is not None:
            self._negatives.copy_(negatives)
        for state, before in zip(self._hidden, hidden, strict=True):
            if state is not before:
                state.copy_(before[: len(state)])
        assert self._run is not None  # noqa: S101  (the caller has looked)
        self._run()
        return list(self._losses.clone().unbind()), list(self._hidden)

    def _take_steps(self) -> None:
        """All steps, from the tensors of this object to these tensors."""
        hidden = self._hidden
        batches = self._step.prepare(self._inputs, self._targets, self._negatives)
        for place, batch in enumerate(batches):
            hidden = reset_states(hidden, self._starts[place])
            self._losses[place], hidden = self._step.take(batch, hidden)
        for kept, state in zip(self._hidden, hidden, strict=True):
            kept.copy_(state)
