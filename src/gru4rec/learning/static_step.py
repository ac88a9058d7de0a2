"""The training step of a GPU: shapes that depend on sizes alone, gradients written out, no waiting.

The same numbers as `AutogradStep`, against which tests hold it, but

- nothing in it asks the device for a number, so that the host runs ahead of it, and many steps can
  be recorded as one CUDA graph (see `replay`);
- candidates are scored as often as they occur: to number the distinct ones would not make a
  product of static shape smaller;
- the gradients of an item that occurs several times are summed in the order of the batch, without
  atomic additions: the same bits each time. Each of its places then computes, and writes, the same
  row;
- one call updates the rows in use and all other weights.

Uncaptured it runs on any device, which is how it is tested.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.config import ModelConfig
from gru4rec.learning.cells import Gru, Layers, OriginalGru
from gru4rec.model.losses import find_loss
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad


class Uses:
    """Knows which of some places are of the same item.

    Args:
        items: Item of each place, shape (n,).
    """

    def __init__(self, items: Tensor) -> None:
        ascending, self._order = items.sort(stable=True)
        # the segment of the first place of an item goes up to its last; those of others are empty
        ends = torch.searchsorted(ascending, ascending, right=True)
        self._bounds = F.pad(ends, (1, 0))
        self._firsts = torch.searchsorted(ascending, items)

    def total(self, gradients: Tensor) -> Tensor:
        """Sums gradients (n, width) over the places of an item; each place gets the sum."""
        sums = torch.segment_reduce(
            gradients[self._order], "sum", offsets=self._bounds, unsafe=True, initial=0
        )
        return sums[self._firsts]


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
        weights = map(network.cell_weights, range(len(network.architecture.layers)))
        cells = [OriginalGru(w) if "bias" in w else Gru(w) for w in weights]
        self._layers = Layers(cells, dropout, network.architecture.gates_per_item)

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch; see `AutogradStep.__call__`."""
        tables, shared = self._network.tables, self._network.architecture.shared
        candidates = torch.cat([targets, negatives])
        items = torch.cat([candidates, inputs]) if shared else candidates
        used, biases = tables["output"][items], tables["bias"][candidates]
        outputs = used[: len(candidates)]
        read = used[len(candidates) :] if shared else tables["input"][inputs]
        states = self._layers.forward(read, hidden)
        offsets = self._corrected(biases, targets, negatives)
        scores = torch.addmm(offsets, states[-1], outputs.T)
        losses, by_scores = self._differentiate(scores)
        by_items, by_biases = by_scores.T @ states[-1], by_scores.sum(0)
        by_read = self._layers.backward(by_scores @ outputs)
        if shared:
            by_items = torch.cat([by_items, by_read])
            by_biases = F.pad(by_biases, (0, len(inputs)))
        uses = Uses(items)
        by_biases = uses.total(by_biases[:, None])[: len(candidates), 0]
        rows = [
            Rows("output", items, used, uses.total(by_items)),
            # inputs have biases, too, but only those of candidates are used
            Rows("bias", candidates, biases, by_biases),
        ]
        if not shared:
            rows.append(Rows("input", inputs, read, Uses(inputs).total(by_read)))
        self._update(rows)
        return losses.sum(), states

    def _corrected(self, biases: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        """Biases of the candidates, less their log-Q correction; see `AutogradStep`."""
        config = self._config
        if not (self._loss.takes_log_q and config.logq):
            return biases
        drawn = config.sample_alpha * self._log_counts[negatives]
        log_q = torch.cat([self._log_counts[targets], drawn])
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
