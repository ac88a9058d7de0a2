"""Epochs on a log: batches without padding, and a step that reads only the rows that it uses."""

import math
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from gru4rec.baselines.base import Ints
from gru4rec.baselines.sasrec.losses import calibrated_cross_entropy, sampled_softmax
from gru4rec.baselines.sasrec.options import SASRecConfig
from gru4rec.baselines.sasrec.transformer import Transformer
from gru4rec.errors import TrainingDivergedError
from gru4rec.model.negatives import PopularitySampler
from gru4rec.model.network import Dropout
from gru4rec.progress import ProgressDisplay

_DRAWS = 10_000_000  # kept in memory at most, as `training.sample_cache_max_size`
_BETAS = 0.9, 0.98  # of Adam, as in the code of SASRec
_EPSILON = 1e-8


class Training:
    """Draws the weights, and changes them epoch by epoch.

    Args:
        config: Options.
        items: Item index of each event, shape (n_events,).
        offsets: Session s owns items[offsets[s]:offsets[s + 1]], shape (n_sessions + 1,).
        n_items: Different items.
        device: Where to compute.

    Attributes:
        network: The transformer.
        table: Embeddings E, shape (n_items, units).
    """

    def __init__(
        self, config: SASRecConfig, items: Ints, offsets: Ints, n_items: int, device: torch.device
    ) -> None:
        self._config, self._device, self._n_epochs = config, device, 0
        self._items = torch.from_numpy(items)
        self._windows = cut_windows(offsets, config.max_length)
        # of the CPU, so that a seed gives the same weights, batches and negatives on any device
        self._generator = torch.Generator().manual_seed(config.seed)
        table = torch.empty(n_items, config.units).normal_(0, 0.02, generator=self._generator)
        self.table = table.to(device)
        self.network = Transformer(
            config.units,
            config.n_blocks,
            config.n_heads,
            config.max_length,
            config.block == "ligr",
            self._generator,
        ).to(device)
        self._adam = torch.optim.Adam(
            self.network.parameters(), config.learning_rate, _BETAS, _EPSILON, fused=True
        )
        self._row_adam = RowAdam(self.table)
        counts = torch.from_numpy(np.bincount(items, minlength=n_items))
        self._sampler = PopularitySampler(
            counts, config.sample_alpha, config.n_sample, self._generator, _DRAWS, device
        )
        weights = counts.double() ** config.sample_alpha
        # how often an item is expected among the drawn negatives, and as the target of a row
        self._drawn = (config.n_sample * weights / weights.sum()).float().to(device)
        self._shares = (counts / counts.sum()).float().to(device)
        self._dropout = Dropout(
            config.dropout, config.dropout, torch.Generator(device).manual_seed(config.seed)
        )

    def run_epoch(self) -> float:
        """Trains on every target once; returns the mean loss.

        Raises:
            TrainingDivergedError: It is not finite.
        """
        config = self._config
        rate = config.learning_rate * config.learning_rate_decay**self._n_epochs
        self._n_epochs += 1
        n_targets, total, done = sum(same.size for same in self._windows), 0.0, 0
        with ProgressDisplay(f"SASRec, epoch {self._n_epochs}", n_targets) as display:
            for events in self._batches():
                total += self._step(self._items[events], self._items[events + 1], rate)
                done += events.numel()
                display.update(done)
        if not math.isfinite(total):
            raise TrainingDivergedError(
                f"the loss of SASRec is not finite in epoch {self._n_epochs}; a learning_rate "
                f"below {config.learning_rate} usually helps"
            )
        return total / max(1, n_targets)

    def _batches(self) -> Iterator[Tensor]:
        """Yields the events that each step reads, shape (n, length): of one length, so no padding.

        Which windows are together, and the order of steps, is another in each epoch.
        """
        batches: list[Tensor] = []
        for same in self._windows:
            order = torch.randperm(len(same), generator=self._generator)
            size = max(1, self._config.batch_size // same.shape[1])
            batches += (torch.from_numpy(same)[part] for part in torch.split(order, size))
        for number in torch.randperm(len(batches), generator=self._generator).tolist():
            yield batches[number]

    def _step(self, inputs: Tensor, targets: Tensor, rate: float) -> float:
        """Trains on item indices (n, length); returns the sum of the losses."""
        n_inputs, p = inputs.numel(), self._config.dropout
        candidates = torch.cat([targets.flatten().to(self._device), self._sampler.sample()])
        uses = torch.cat([inputs.flatten().to(self._device), candidates])
        rows, places = torch.unique(uses, return_inverse=True)
        embeddings = self.table[rows].requires_grad_()
        used = embeddings[places]
        embedded = used[:n_inputs].view(*inputs.shape, -1)
        states = self.network(embedded, lambda x: self._dropout(x, p)).flatten(0, 1)
        loss = self._loss(states @ used[n_inputs:].T, candidates).sum()
        self._adam.zero_grad()
        torch.autograd.backward(loss / self._config.batch_size)
        self._adam.param_groups[0]["lr"] = rate
        self._adam.step()
        assert embeddings.grad is not None  # noqa: S101  (the loss depends on them)
        self._row_adam.update(rows, embeddings.grad, rate)
        return loss.item()

    def _loss(self, scores: Tensor, candidates: Tensor) -> Tensor:
        config = self._config
        if config.loss == "gbce":
            n_items = len(self.table)
            return calibrated_cross_entropy(scores, candidates, n_items, config.calibration)
        expected = (len(scores) - 1) * self._shares[candidates] + self._drawn[candidates]
        return sampled_softmax(scores, candidates, config.logq * torch.log(expected))


def cut_windows(offsets: Ints, max_length: int) -> list[Ints]:
    """Cuts sessions so that each event but a session's first is a target once.

    Args:
        offsets: Session s owns the events offsets[s], …, offsets[s + 1] − 1; (n_sessions + 1,).
        max_length: Events that are read in one go.

    Returns:
        The events that are read, whose targets are the events after them: shape (n, length), an
        array a length, shortest first.
    """
    n_targets = np.maximum(np.diff(offsets) - 1, 0)
    n_windows = -(-n_targets // max_length)
    session = np.repeat(np.arange(len(n_targets)), n_windows)
    nth = np.arange(len(session)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    begins = offsets[session] + nth * max_length
    lengths = np.minimum(n_targets[session] - nth * max_length, max_length)
    return [begins[lengths == length, None] + np.arange(length) for length in np.unique(lengths)]


class RowAdam:
    """Adam (Kingma & Ba, ICLR 2015) on the rows of a table that a step used.

    Moments of other rows stay as they are, as in `torch.optim.SparseAdam`; steps are counted for
    all.

    Args:
        table: Is changed in place, shape (n_items, units).
    """

    def __init__(self, table: Tensor) -> None:
        self._table, self._n_steps = table, 0
        self._means, self._squares = torch.zeros_like(table), torch.zeros_like(table)

    def update(self, rows: Tensor, gradient: Tensor, rate: float) -> None:
        """Updates distinct rows (n,) by their gradient (n, units)."""
        self._n_steps += 1
        first, second = _BETAS
        mean = self._means[rows].lerp_(gradient, 1 - first)
        square = self._squares[rows].lerp_(gradient * gradient, 1 - second)
        self._means[rows], self._squares[rows] = mean, square
        root = torch.sqrt(square / (1 - second**self._n_steps)) + _EPSILON
        step = mean / (1 - first**self._n_steps) / root
        self._table.index_add_(0, rows, step, alpha=-rate)
