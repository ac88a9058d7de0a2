"""The training step of a GPU: shapes that depend on sizes alone, gradients written out, no waiting.

The same numbers as `AutogradStep`, against which tests hold it, but

- nothing in it asks the device for a number, so that the host runs ahead of it, and many steps can
  be recorded as one CUDA graph (see `replay`);
- candidates are scored as often as they occur: to number the distinct ones would not make a
  product of static shape smaller;
- which places are of the same item is found for all steps of a graph at once;
- the gradients of an item that occurs several times are summed in the order of the batch, without
  atomic additions: the same bits each time. Each of its places then computes, and writes, the same
  row;
- one call updates the rows in use and all other weights.

Uncaptured it runs on any device, which is how it is tested.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.config import ModelConfig
from gru4rec.learning.cells import Cell, Gru, Layers, OriginalGru
from gru4rec.model.losses import find_loss
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad

# as torch can from 2.8 on
_CAN_WIDEN = "out_dtype" in (torch.mm.__doc__ or "")


class Uses(NamedTuple):
    """Which of some places of a step are of the same item.

    Attributes:
        items: Item of each place, shape (n,).
        ascending: The same items in ascending order, shape (n,).
        order: The place of each of these; those of an item ascend; shape (n,).
        ends: Where the places of the item end among these, shape (n,).
    """

    items: Tensor
    ascending: Tensor
    order: Tensor
    ends: Tensor

    @classmethod
    def of_steps(cls, items: Tensor) -> "list[Uses]":
        """Returns those of each step of items (n_steps, n)."""
        ascending, order = items.sort(dim=1, stable=True)
        ends = torch.searchsorted(ascending, ascending, right=True)
        return [cls(*step) for step in zip(items, ascending, order, ends, strict=True)]

    def total(self, gradients: Tensor) -> Tensor:
        """Sums gradients (n, width) over the places of an item; each place gets the sum."""
        # the segment of the first place of an item goes up to its last; those of others are empty
        sums = torch.segment_reduce(
            gradients[self.order], "sum", offsets=F.pad(self.ends, (1, 0)), unsafe=True, initial=0
        )
        return sums[torch.searchsorted(self.ascending, self.items)]


class Batch(NamedTuple):
    """A mini-batch that a step is ready for.

    Attributes:
        n: Rows.
        outputs: Of the targets and negatives; with a shared table the inputs follow.
        inputs: Of the inputs; None with a shared table.
    """

    n: int
    outputs: Uses
    inputs: Uses | None

    @property
    def candidates(self) -> Tensor:
        """Items of the targets and negatives, shape (n_candidates,)."""
        return self.outputs.items if self.inputs else self.outputs.items[: -self.n]


class Rows(NamedTuple):
    """Rows of a table that a step uses.

    Attributes:
        name: Of the table.
        items: Row numbers, the same one as often as it is used, shape (n,).
        values: Copies of the rows, which are updated, shape (n, ...).
        gradient: Summed over the places of an item, shape (n, ...).
    """

    name: str
    items: Tensor
    values: Tensor
    gradient: Tensor


_setting = threading.RLock()  # the precision of products is that of the process


@contextmanager
def _products_in(precision: str, device: torch.device) -> Iterator[None]:
    """Lets a GPU round the factors of products of 32 bits to TF32 for a while, or none of them."""
    if device.type != "cuda":
        yield
        return
    kind: Any = torch.backends.cuda.matmul
    # torch 2.9 has another name for it, which must not be mixed with the old one
    name, values = "fp32_precision", ("ieee", "tf32")
    if not hasattr(kind, name):
        name, values = "allow_tf32", (False, True)  # type: ignore[assignment]
    with _setting:
        before = getattr(kind, name)
        setattr(kind, name, values[precision != "float32"])
        try:
            yield
        finally:
            setattr(kind, name, before)


def multiply(one: Tensor, other: Tensor) -> Tensor:
    """Multiplies matrices, of 16 bits, too; the product is summed up and returned in 32."""
    if one.dtype != torch.bfloat16:
        return one @ other
    if one.device.type == "cuda" and _CAN_WIDEN:
        return torch.mm(one, other, out_dtype=torch.float32)
    return one.float() @ other.float()


class StaticStep:
    """Trains on mini-batches, on any device; see `AutogradStep`."""

    def __init__(
        self,
        network: Network,
        adagrad: Adagrad,
        config: ModelConfig,
        dropout: Dropout,
        log_counts: Tensor,
    ) -> None:
        self._network, self._adagrad, self._config = network, adagrad, config
        self._log_counts = log_counts
        self._loss = find_loss(config.loss)
        self._options = {name: config[name] for name in self._loss.options}
        n_layers = len(network.architecture.layers)
        self._cells = [self._make_cell(network.cell_weights(layer)) for layer in range(n_layers)]
        self._layers = Layers(self._cells, dropout, network.architecture.gates_per_item)

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch; see `AutogradStep.__call__`."""
        [batch] = self.prepare(inputs[None], targets[None], negatives[None])
        return self.take(batch, hidden)

    def prepare(self, inputs: Tensor, targets: Tensor, negatives: Tensor) -> list[Batch]:
        """Looks at the items of several steps at once.

        Args:
            inputs: Item indices, shape (n_steps, n).
            targets: Item indices, shape (n_steps, n).
            negatives: Extra negatives, item indices, shape (n_steps, n_sample).
        """
        n = inputs.shape[1]
        if self._network.architecture.shared:
            uses = Uses.of_steps(torch.cat([targets, negatives, inputs], dim=1))
            return [Batch(n, of_outputs, None) for of_outputs in uses]
        of_all = Uses.of_steps(torch.cat([targets, negatives], dim=1)), Uses.of_steps(inputs)
        return [Batch(n, *uses) for uses in zip(*of_all, strict=True)]

    def take(self, batch: Batch, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Trains on a mini-batch that `prepare` has looked at; see `AutogradStep.__call__`."""
        with _products_in(self._config.precision, self._network.device):
            return self._take(batch, hidden)

    def _take(self, batch: Batch, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        n, uses, of_inputs = batch
        tables, items = self._network.tables, uses.items
        candidates = batch.candidates
        n_candidates = len(candidates)
        used, biases = tables["output"][items], tables["bias"][candidates]
        outputs = used[:n_candidates]
        read = tables["input"][of_inputs.items] if of_inputs else used[n_candidates:]
        states = self._layers.forward(read, hidden)
        state, outputs = self._rounded(states[-1]), self._rounded(outputs)
        # with a bias per column cuBLAS takes a slower way
        scores = multiply(state, outputs.T).add_(self._corrected(biases, candidates, n))
        losses, by_scores = self._differentiate(scores)
        rounded = self._rounded(by_scores)
        by_items, by_biases = multiply(rounded.T, state), by_scores.sum(0)
        by_read = self._layers.backward(multiply(rounded, outputs))
        if of_inputs is None:
            by_items = torch.cat([by_items, by_read])
            by_biases = F.pad(by_biases, (0, n))
        by_biases = uses.total(by_biases[:, None])[:n_candidates, 0]
        rows = [
            Rows("output", items, used, uses.total(by_items)),
            # inputs have biases, too, but only those of candidates are used
            Rows("bias", candidates, biases, by_biases),
        ]
        if of_inputs:
            rows.append(Rows("input", of_inputs.items, read, of_inputs.total(by_read)))
        self._update(rows)
        return losses.sum(), states

    def _make_cell(self, weights: dict[str, Tensor]) -> Cell:
        return OriginalGru(weights) if "bias" in weights else Gru(weights)

    def _rounded(self, factor: Tensor) -> Tensor:
        """A factor of a product with embeddings of items, as `precision` wants it."""
        return factor.bfloat16() if self._config.precision == "bf16" else factor

    def _corrected(self, biases: Tensor, candidates: Tensor, n: int) -> Tensor:
        """Biases of the candidates, less their log-Q correction; see `AutogradStep`."""
        config = self._config
        if not (self._loss.takes_log_q and config.logq):
            return biases
        log_q = self._log_counts[candidates]
        log_q[n:] *= config.sample_alpha  # these were drawn
        return torch.sub(biases, log_q, alpha=config.logq)

    def _differentiate(self, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (n,) and their gradient by the scores (n, n_candidates), divided by batch_size."""
        scale = 1 / self._config.batch_size
        if self._loss.gradient:
            return self._loss.gradient(scores, scale, **self._options)
        corrected = [None] if self._loss.takes_log_q else []
        with torch.enable_grad():
            scores.requires_grad_()
            losses = self._loss.function(scores, *corrected, **self._options)
            [gradient] = torch.autograd.grad(losses.sum() * scale, scores)
        return losses.detach(), gradient

    def _update(self, rows: list[Rows]) -> None:
        """Updates the rows and all dense weights."""
        network, adagrad, gradients = self._network, self._adagrad, self._layers.gradients
        parameters = [table.values for table in rows]
        accumulators = [adagrad.accumulators[table.name][table.items] for table in rows]
        velocities = []
        if adagrad.momentum:
            velocities = [adagrad.velocities[table.name][table.items] for table in rows]
        adagrad.update_together(
            [*parameters, *(network.dense[name] for name in gradients)],
            [*accumulators, *(adagrad.accumulators[name] for name in gradients)],
            [*velocities, *(adagrad.velocities[name] for name in gradients if adagrad.momentum)],
            [*(table.gradient for table in rows), *gradients.values()],
        )
        for place, table in enumerate(rows):
            network.tables[table.name][table.items] = parameters[place]
            adagrad.accumulators[table.name][table.items] = accumulators[place]
            if adagrad.momentum:
                adagrad.velocities[table.name][table.items] = velocities[place]
