"""The training step on a CPU, with its gradients written out.

The same numbers as `AutogradStep`, against which tests hold it, but

- every distinct candidate is scored once: what its copies add to the softmax is one weight;
- gradients are written to where the update reads them;
- rows are gathered and updated by compiled loops, each in one pass over memory.
"""

import numpy as np
import torch
from torch import Tensor

from gru4rec import kernels, optimizer
from gru4rec.config import ModelConfig
from gru4rec.gradients import (
    bpr_max_gradient,
    cross_entropy_gradient,
    gru_backward,
    gru_forward,
    original_gru_backward,
    original_gru_forward,
)
from gru4rec.kernels import Doubles, Floats, Ints
from gru4rec.network import Dropout, Network
from gru4rec.optimizer import Adagrad

_ONE_ROW = np.zeros(1, dtype=np.int64)


class Trained:
    """A tensor and the optimiser's state of it, as the compiled loops want them.

    Args:
        tensor: Weights; a table has shape (n_items, ...), any other tensor is one long row.
    """

    def __init__(self, name: str, tensor: Tensor, adagrad: Adagrad, is_table: bool) -> None:
        shape = (len(tensor) if is_table else 1, -1)
        self.values: Floats = tensor.numpy().reshape(shape)
        self._accumulators: Floats = adagrad.accumulators[name].numpy().reshape(shape)
        self._velocities: Floats | None = (
            adagrad.velocities[name].numpy().reshape(shape) if adagrad.momentum else None
        )
        self._rate = np.float32(adagrad.learning_rate)
        self._momentum = np.float32(adagrad.momentum)
        self._epsilon = np.float32(optimizer.EPSILON)

    def update(self, rows: Ints, gradient: Floats) -> None:
        """Updates distinct rows (n,) by their gradients (at least n, width)."""
        if self._velocities is None:
            kernels.adagrad(
                self.values, self._accumulators, rows, gradient, self._rate, self._epsilon
            )
        else:
            kernels.adagrad_with_momentum(
                self.values,
                self._accumulators,
                self._velocities,
                rows,
                gradient,
                self._rate,
                self._epsilon,
                self._momentum,
            )


class Table(Trained):
    """A table with room for the rows that a step uses, and for their gradients.

    Attributes:
        gathered: The rows, shape (most rows, width).
        gradient: Their gradients, of the same shape.
    """

    def __init__(self, name: str, network: Network, adagrad: Adagrad, most_rows: int) -> None:
        super().__init__(name, network.tables[name], adagrad, is_table=True)
        self.gathered = torch.empty(most_rows, self.values.shape[1])
        self.gradient = torch.empty(most_rows, self.values.shape[1])
        self._gathered: Floats = self.gathered.numpy()
        self.gradient_array: Floats = self.gradient.numpy()

    def gather(self, rows: Ints) -> None:
        """Copies rows of the table to `gathered`."""
        kernels.gather_rows(self.values, rows, self._gathered)

    def update_gathered(self, rows: Ints) -> None:
        """Updates rows by `gradient`."""
        self.update(rows, self.gradient_array)


class RowNumbers:
    """Numbers the distinct items of a step; see `kernels.number_distinct`."""

    def __init__(self, n_items: int, most_rows: int) -> None:
        self._numbers = np.full(n_items, -1, dtype=np.int64)
        self._rows = np.empty(most_rows, dtype=np.int64)
        self.n = 0

    @property
    def listed(self) -> Ints:
        """The distinct items so far, shape (n,)."""
        return self._rows[: self.n]

    def begin(self) -> None:
        """Forgets the step before."""
        kernels.forget_numbers(self._numbers, self.listed)
        self.n = 0

    def add(self, items: Ints) -> Ints:
        """Lists items; returns their places in the list, shape (n,)."""
        places = np.empty(len(items), dtype=np.int64)
        self.n = kernels.number_distinct(items, self.n, self._numbers, self._rows, places)
        return places


class FastStep:
    """Trains on mini-batches on a CPU; see `AutogradStep`."""

    def __init__(
        self,
        network: Network,
        adagrad: Adagrad,
        config: ModelConfig,
        dropout: Dropout,
        log_counts: Tensor,
    ) -> None:
        self._config, self._dropout = config, dropout
        self._direct = network.architecture.gates_per_item
        self._cells = [network.cell_weights(i) for i in range(len(network.architecture.layers))]
        most_candidates = config.batch_size + config.n_sample
        self._shared = network.architecture.shared
        most_rows = most_candidates + (config.batch_size if self._shared else 0)
        self._rows = RowNumbers(network.n_items, most_rows)
        self._outputs = Table("output", network, adagrad, most_rows)
        self._biases = Table("bias", network, adagrad, most_candidates)
        if self._shared:
            self._input_rows, self._inputs = self._rows, self._outputs
        else:
            self._input_rows = RowNumbers(network.n_items, config.batch_size)
            self._inputs = Table("input", network, adagrad, config.batch_size)
        self._dense = {
            name: Trained(name, weight, adagrad, is_table=False)
            for name, weight in network.dense.items()
        }
        self._scores = torch.empty(config.batch_size * most_candidates)
        # 64 bits: with a strong correction the weights of popular items are very small
        self._weights = torch.empty(most_candidates, dtype=torch.float64)
        logq = config.logq if config.loss == "cross-entropy" else 0.0
        self._target_weights = _weights_of_items(logq, log_counts)
        self._negative_weights = _weights_of_items(logq * config.sample_alpha, log_counts)

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch; see `AutogradStep.__call__`."""
        self._rows.begin()
        places = self._rows.add(targets.numpy())
        n_candidates, weights, own = self._weigh(places, targets.numpy(), negatives.numpy())
        if not self._shared:
            self._input_rows.begin()
        input_places = self._input_rows.add(inputs.numpy())
        rows, input_rows = self._rows.listed, self._input_rows.listed
        self._outputs.gather(rows)
        self._biases.gather(rows[:n_candidates])
        if not self._shared:
            self._inputs.gather(input_rows)

        x = self._inputs.gathered[torch.from_numpy(input_places)]
        states, saved, masks = self._forward(x, hidden)
        outputs = self._outputs.gathered[:n_candidates]
        scores = self._scores[: len(inputs) * n_candidates].view(len(inputs), n_candidates)
        losses = self._lose(scores, states[-1], outputs, torch.from_numpy(places), weights, own)
        scores.div_(self._config.batch_size)

        torch.mm(scores.T, states[-1], out=self._outputs.gradient[:n_candidates])
        torch.sum(scores, 0, out=self._biases.gradient[:n_candidates, 0])
        d_x, d_dense = self._backward(scores @ outputs, saved, masks)
        # the rows of inputs that are no candidates have nothing yet
        self._inputs.gradient_array[n_candidates if self._shared else 0 : len(input_rows)] = 0
        kernels.add_rows(self._inputs.gradient_array, input_places, d_x.numpy())
        self._outputs.update_gathered(rows)
        self._biases.update_gathered(rows[:n_candidates])
        if not self._shared:
            self._inputs.update_gathered(input_rows)
        for name, gradient in d_dense.items():
            self._dense[name].update(_ONE_ROW, gradient.numpy().reshape(1, -1))
        return losses.sum(), states

    def _weigh(self, places: Ints, targets: Ints, negatives: Ints) -> tuple[int, Tensor, Tensor]:
        """Lists the negatives too; what does each distinct candidate weigh, and each target?"""
        if len(targets) + len(negatives) > len(self._weights):
            raise IndexError(
                f"{len(negatives)} negatives were drawn, but n_sample is {self._config.n_sample}"
            )
        negative_places = self._rows.add(negatives)
        n = self._rows.n
        weights = self._weights[:n].zero_()
        array = weights.numpy()
        kernels.add_weights(array, places, targets, self._target_weights)
        kernels.add_weights(array, negative_places, negatives, self._negative_weights)
        shares = torch.from_numpy(self._target_weights[targets] / array[places])
        return n, weights, shares.float()

    def _lose(
        self,
        scores: Tensor,
        state: Tensor,
        outputs: Tensor,
        places: Tensor,
        weights: Tensor,
        shares: Tensor,
    ) -> Tensor:
        """Scores the candidates and turns the scores into their gradient; returns row losses."""
        config = self._config
        bias = self._biases.gathered[: len(outputs), 0]
        if config.loss == "bpr-max":
            torch.addmm(bias, state, outputs.T, out=scores)
            copies = weights.float()
            return bpr_max_gradient(scores, places, copies, config.bpreg, config.elu_param)
        torch.addmm(bias + torch.log(weights).float(), state, outputs.T, out=scores)
        return cross_entropy_gradient(scores, places, shares)

    def _forward(
        self, x: Tensor, hidden: list[Tensor]
    ) -> tuple[list[Tensor], list[tuple[Tensor, ...]], list[Tensor | None]]:
        """Advances the hidden states; returns them, what gradients need, and dropout masks."""
        dropout = self._dropout
        masks: list[Tensor | None] = []
        if not self._direct:
            x = self._drop(x, dropout.p_embed, masks)
        states, saved = [], []
        for layer, (h, cell) in enumerate(zip(hidden, self._cells, strict=True)):
            direct = self._direct and layer == 0
            x, kept = original_gru_forward(x, h, **cell) if direct else gru_forward(x, h, **cell)
            x = self._drop(x, dropout.p_embed if direct else dropout.p_hidden, masks)
            states.append(x)
            saved.append(kept)
        return states, saved, masks

    def _drop(self, values: Tensor, probability: float, masks: list[Tensor | None]) -> Tensor:
        mask = self._dropout.mask(values, probability)
        masks.append(mask)
        return values if mask is None else values.mul_(mask)

    def _backward(
        self, gradient: Tensor, saved: list[tuple[Tensor, ...]], masks: list[Tensor | None]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Returns the gradients by the input rows and by the dense weights."""
        by_weight: dict[str, Tensor] = {}
        for layer in reversed(range(len(saved))):
            gradient = _masked(gradient, masks.pop())
            direct = self._direct and layer == 0
            backward = original_gru_backward if direct else gru_backward
            gradient, by_name = backward(gradient, saved[layer], self._cells[layer])
            by_weight |= {f"gru{layer}.{name}": value for name, value in by_name.items()}
        return (_masked(gradient, masks.pop()) if masks else gradient), by_weight


def _weights_of_items(logq: float, log_counts: Tensor) -> Doubles:
    """What a candidate weighs in the softmax: e^(−its log-Q correction), shape (n_items,)."""
    weights: Doubles = torch.exp((-logq * log_counts.double()).clamp(min=-700)).numpy()
    return weights


def _masked(gradient: Tensor, mask: Tensor | None) -> Tensor:
    return gradient if mask is None else gradient.mul_(mask)
