"""The training step on a CPU, with its gradients written out.

The same numbers as `AutogradStep`, against which tests hold it, but

- every distinct candidate is scored once: what its copies add to the softmax is one weight;
- torch makes the matrix products, compiled loops do all between them in one pass over memory each,
  on the same threads;
- gradients are written to where the update reads them, and only the rows in use are updated.
"""

import numpy as np
import torch
from torch import Tensor

from gru4rec import kernels, optimizer, step_kernels
from gru4rec.config import ModelConfig
from gru4rec.gradients import Cell, Gru, OriginalGru
from gru4rec.kernels import Doubles, Ints
from gru4rec.large_pages import use_large_pages
from gru4rec.network import Dropout, Network
from gru4rec.optimizer import Adagrad
from gru4rec.parallel import Loop


class Table:
    """A table with room for the rows that a step uses, and for their gradients.

    Args:
        name: Of the table.
        network: Has the table; is changed in place.
        adagrad: Is changed in place.
        most_rows: Rows that a step uses at most.

    Attributes:
        gathered: The rows, shape (most rows, ...).
        gradient: Their gradients, of the same shape.
    """

    def __init__(self, name: str, network: Network, adagrad: Adagrad, most_rows: int) -> None:
        table = network.tables[name]
        width = table.numel() // len(table)
        self.gathered = torch.empty(most_rows, *table.shape[1:])
        self.gradient = torch.empty_like(self.gathered)
        state = _optimised(adagrad, name)
        use_large_pages(table, *state.values())
        sizes = {"table": table, "n_rows": len(table), "width": width}
        self._gather = Loop(
            step_kernels.gather, step_kernels.GATHER, 64, out=self.gathered, **sizes
        )
        self._update = Loop(
            step_kernels.adagrad,
            step_kernels.ADAGRAD,
            grain=max(1, min(256, 8192 // width)),
            gradient=self.gradient,
            **sizes,
            **state,
            **_options(adagrad),
        )

    def gather(self, rows: Tensor) -> Tensor:
        """Copies rows (n,) of the table to `gathered`; returns that part of it."""
        self._gather(len(rows), rows=rows)
        return self.gathered[: len(rows)]

    def update(self, rows: Tensor) -> None:
        """Updates distinct rows (n,) by their gradients."""
        self._update(len(rows), rows=rows)


class Dense:
    """All tensors that are no tables.

    Args:
        weights: By name; are changed in place.
        adagrad: Is changed in place.
    """

    def __init__(self, weights: dict[str, Tensor], adagrad: Adagrad) -> None:
        self._kept = weights, adagrad  # alive for as long as their addresses are here
        sizes = np.array([weight.numel() for weight in weights.values()])
        units = -(-sizes // step_kernels.PORTION)
        self._n_units = int(units.sum())
        self._tensors = torch.zeros(len(weights), 6, dtype=torch.int64)
        self._tensors[:, 0] = torch.from_numpy(np.cumsum(units) - units)
        self._tensors[:, 1] = torch.from_numpy(sizes)
        self._places = {name: place for place, name in enumerate(weights)}
        for name, place in self._places.items():
            its = _optimised(adagrad, name)
            for column, tensor in enumerate((weights[name], *its.values()), start=2):
                self._tensors[place, column] = tensor.data_ptr()
        self._update = Loop(
            step_kernels.adagrad_dense,
            step_kernels.DENSE,
            grain=1,
            tensors=self._tensors,
            n_tensors=len(weights),
            **_options(adagrad),
        )

    def update(self, gradients: dict[str, Tensor]) -> None:
        """Updates all tensors by their gradients."""
        addresses = self._tensors.numpy()[:, 5]
        for name, gradient in gradients.items():
            addresses[self._places[name]] = gradient.data_ptr()
        self._update(self._n_units)


def _optimised(adagrad: Adagrad, name: str) -> dict[str, Tensor]:
    """The optimiser's state of a tensor, as the compiled loops name it."""
    state = {"accumulators": adagrad.accumulators[name]}
    if adagrad.momentum:
        state["velocities"] = adagrad.velocities[name]
    return state


def _options(adagrad: Adagrad) -> dict[str, float]:
    return {
        "rate": adagrad.learning_rate,
        "epsilon": optimizer.EPSILON,
        "momentum": adagrad.momentum,
    }


class RowNumbers:
    """Numbers the distinct items of a step; see `kernels.number_distinct`.

    Attributes:
        n: How many are listed.
        numbers: Place of each item in the list, or −1, shape (n_items,).
        rows: The list, shape (most rows,).
    """

    def __init__(self, n_items: int, most_rows: int) -> None:
        self.n = 0
        numbers = torch.full((n_items,), -1)
        use_large_pages(numbers)
        self.numbers = numbers.numpy()
        self.rows = np.empty(most_rows, dtype=np.int64)
        self._rows = torch.from_numpy(self.rows)

    @property
    def listed(self) -> Tensor:
        """The distinct items so far, shape (n,)."""
        return self._rows[: self.n]

    def add(self, items: Ints, places: Ints) -> None:
        """Lists items (n,) and fills in their places in the list (n,)."""
        self.n = kernels.number_distinct(items, self.n, self.numbers, self.rows, places)

    def forget(self) -> None:
        """Begins an empty list."""
        kernels.forget_numbers(self.numbers, self.rows, self.n)
        self.n = 0


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
        self._shared = network.architecture.shared
        most_candidates = config.batch_size + config.n_sample
        most_rows = most_candidates + (config.batch_size if self._shared else 0)
        self._rows = RowNumbers(network.n_items, most_rows)
        self._outputs = Table("output", network, adagrad, most_rows)
        self._biases = Table("bias", network, adagrad, most_candidates)
        if self._shared:
            self._input_rows, self._inputs = self._rows, self._outputs
        else:
            self._input_rows = RowNumbers(network.n_items, config.batch_size)
            self._inputs = Table("input", network, adagrad, config.batch_size)
        self._cells = _make_cells(network, config.batch_size)
        self._dense = Dense(network.dense, adagrad)
        self._places = torch.empty(most_candidates, dtype=torch.int64)
        self._input_places = torch.empty(config.batch_size, dtype=torch.int64)
        self._products, self._scores = torch.empty(2, config.batch_size * most_candidates)
        # 64 bits: with a strong correction the weights of popular items are very small
        self._weights = torch.empty(most_candidates, dtype=torch.float64)
        self._shares = torch.empty(config.batch_size)
        logq = config.logq if config.loss == "cross-entropy" else 0.0
        self._target_weights = _weights_of_items(logq, log_counts)
        self._negative_weights = _weights_of_items(logq * config.sample_alpha, log_counts)
        self._losses = torch.empty(config.batch_size)
        self._lose = self._make_loss()

    def _make_loss(self) -> Loop:
        config = self._config
        given = {
            "products": self._products,
            "scores": self._scores,
            "places": self._places,
            "losses": self._losses,
            "scale": 1 / config.batch_size,
        }
        if config.loss == "bpr-max":
            options = {"bpreg": config.bpreg, "elu_param": config.elu_param}
            return Loop(step_kernels.bpr_max, step_kernels.BPR_MAX, grain=4, **given, **options)
        return Loop(
            step_kernels.cross_entropy,
            step_kernels.CROSS_ENTROPY,
            grain=4,
            shares=self._shares,
            **given,
        )

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch; see `AutogradStep.__call__`."""
        n, n_candidates = len(inputs), self._list_rows(inputs, targets, negatives)
        rows, input_rows = self._rows.listed, self._input_rows.listed
        outputs = self._outputs.gather(rows)[:n_candidates]
        biases = self._biases.gather(rows[:n_candidates])
        if not self._shared:
            self._inputs.gather(input_rows)
        x = torch.index_select(self._inputs.gathered, 0, self._input_places[:n])

        states, masks = self._forward(x, hidden)
        scores = self._differentiate_loss(states[-1], outputs, biases)
        torch.mm(scores.T, states[-1], out=self._outputs.gradient[:n_candidates])
        torch.sum(scores, 0, out=self._biases.gradient[:n_candidates])
        by_inputs = self._backward((outputs.T @ scores.T).T, masks)

        # the rows of inputs that are no candidates have nothing yet
        self._inputs.gradient[n_candidates if self._shared else 0 : len(input_rows)] = 0
        kernels.add_rows(
            self._inputs.gradient.numpy(), self._input_places.numpy(), by_inputs.numpy()
        )
        self._outputs.update(rows)
        self._biases.update(rows[:n_candidates])
        if not self._shared:
            self._inputs.update(input_rows)
        self._dense.update(
            {
                f"gru{layer}.{name}": gradient
                for layer, cell in enumerate(self._cells)
                for name, gradient in cell.gradients.items()
            }
        )
        return self._losses[:n].sum(), states

    def _list_rows(self, inputs: Tensor, targets: Tensor, negatives: Tensor) -> int:
        """Lists the distinct candidates, then the inputs; returns how many candidates there are."""
        if len(targets) + len(negatives) > len(self._places):
            raise IndexError(
                f"{len(negatives)} negatives were drawn, but n_sample is {self._config.n_sample}"
            )
        n_candidates: int = kernels.list_candidates(
            targets.numpy(),
            negatives.numpy(),
            self._rows.n,
            self._rows.numbers,
            self._rows.rows,
            self._places.numpy(),
            self._target_weights,
            self._negative_weights,
            self._weights.numpy(),
            self._shares.numpy(),
        )
        self._rows.n = n_candidates
        if not self._shared:
            self._input_rows.forget()
        self._input_rows.add(inputs.numpy(), self._input_places.numpy())
        return n_candidates

    def _forward(self, x: Tensor, hidden: list[Tensor]) -> tuple[list[Tensor], list[Tensor | None]]:
        """Advances the hidden states; returns them, and the dropout masks."""
        dropout = self._dropout
        masks: list[Tensor | None] = []
        if not self._direct:
            x = self._drop(x, dropout.p_embed, masks)
        states = []
        for layer, (h, cell) in enumerate(zip(hidden, self._cells, strict=True)):
            first_without_embedding = self._direct and layer == 0
            probability = dropout.p_embed if first_without_embedding else dropout.p_hidden
            x = self._drop(cell.forward(x, h), probability, masks)
            states.append(x)
        return states, masks

    def _drop(self, values: Tensor, probability: float, masks: list[Tensor | None]) -> Tensor:
        mask = self._dropout.mask(values, probability)
        masks.append(mask)
        return values if mask is None else values.mul_(mask)

    def _differentiate_loss(self, state: Tensor, outputs: Tensor, biases: Tensor) -> Tensor:
        """Fills in the losses; returns their gradient by the scores, shape (n, n_candidates)."""
        n, n_candidates = len(state), len(outputs)
        # faster than the other way round; the loop that adds the offsets turns them
        products = self._products[: n * n_candidates].view(n_candidates, n)
        torch.mm(outputs, state.T, out=products)
        weights = self._weights[:n_candidates]
        if self._config.loss == "bpr-max":
            self._lose(n, offsets=biases, copies=weights.float(), width=n_candidates)
        else:
            self._lose(n, offsets=torch.log(weights).float() + biases, width=n_candidates)
        scores: Tensor = self._scores[: n * n_candidates].view(n, n_candidates)
        return scores

    def _backward(self, gradient: Tensor, masks: list[Tensor | None]) -> Tensor:
        """Computes the gradients of the cells; returns the one by the input rows."""
        for cell in reversed(self._cells):
            gradient = cell.backward(_masked(gradient, masks.pop()))
        gradient = gradient.contiguous()
        return _masked(gradient, masks.pop()) if masks else gradient


def _make_cells(network: Network, most_rows: int) -> list[Cell]:
    cells: list[Cell] = []
    for layer in range(len(network.architecture.layers)):
        weights = network.cell_weights(layer)
        cells.append(OriginalGru(weights) if "bias" in weights else Gru(weights, most_rows))
    return cells


def _weights_of_items(logq: float, log_counts: Tensor) -> Doubles:
    """What a candidate weighs in the softmax: e^(−its log-Q correction), shape (n_items,)."""
    weights = torch.exp((-logq * log_counts.double()).clamp(min=-700))
    use_large_pages(weights)
    array: Doubles = weights.numpy()
    return array


def _masked(gradient: Tensor, mask: Tensor | None) -> Tensor:
    return gradient if mask is None else gradient.mul_(mask)
