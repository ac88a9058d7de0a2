"""Several training steps as one piece of work that can be repeated, on tensors that stay in place.

A CUDA graph is such a repetition: it launches the kernels of all steps at once, where launching
one after the other takes longer than running them. Before each repetition the events and negatives
of the steps are copied to where the work reads them, from one place on the device to another.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from gru4rec.compute import Plain
from gru4rec.model.states import reset_states

Step = Callable[[Tensor, Tensor, Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]


class Replay:
    """Repeats steps of full batches.

    Args:
        step: Takes one; has taken one before on this device.
        hidden: Hidden states of the shape of a full batch, per layer (n, units).
        n_sample: Extra negatives of a step.
        engine: Records the work.
        generator: Source of dropout.

    Attributes:
        n_lanes: Rows of a batch.
        works: Whether the engine could record it.
    """

    def __init__(
        self,
        step: Step,
        hidden: list[Tensor],
        n_sample: int,
        engine: Plain,
        generator: torch.Generator,
    ) -> None:
        n_steps, n, device = engine.steps_together, len(hidden[0]), hidden[0].device
        self._step, self.n_lanes = step, n
        self._inputs, self._targets = torch.zeros(2, n_steps, n, dtype=torch.int64, device=device)
        self._starts = torch.zeros(n_steps, n, dtype=torch.bool, device=device)
        self._negatives = torch.zeros(n_steps, n_sample, dtype=torch.int64, device=device)
        self._losses = torch.zeros(n_steps, device=device)
        self._hidden = [h.clone() for h in hidden]
        self._run = engine.record(self._take_steps, generator)
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
            hidden: Hidden states before the first step.

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
                state.copy_(before)
        assert self._run is not None  # noqa: S101  (the caller has looked)
        self._run()
        return list(self._losses.clone().unbind()), list(self._hidden)

    def _take_steps(self) -> None:
        """All steps, from the tensors of this object to these tensors."""
        hidden = self._hidden
        for place in range(len(self._losses)):
            hidden = reset_states(hidden, self._starts[place])
            events = self._inputs[place], self._targets[place], self._negatives[place]
            loss, hidden = self._step(*events, hidden)
            self._losses[place] = loss
        for kept, state in zip(self._hidden, hidden, strict=True):
            kept.copy_(state)
