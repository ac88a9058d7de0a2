"""The training step on a CPU, with its gradients written out.

The same numbers as `AutogradStep`, against which tests hold it, but

- every distinct candidate is scored once: what its copies add to the softmax is one weight;
- torch makes the matrix products, compiled loops do all between them in one pass over memory each,
  on the same threads;
- gradients are written to where the update reads them, and only the rows in use are updated;
- in small networks, whose many small calls leave the other threads idle, these copy and update rows
  of the tables meanwhile.

What lies where in a step of n rows and d distinct candidates, of k units in the last layer; with a
shared table the distinct inputs are listed behind the candidates:

    rows       the distinct items                            (d + distinct inputs,)
    gathered   their embeddings, copied from the table       (d + …, stride ≥ k + 1)
    offsets    bias and logarithm of the weight              (d,)
    products   gathered · states, rows of the batch as columns (d, n)
    scores     products + offsets, then their gradient       (n, d)
    gradient   of each distinct row: k numbers, its bias, and what fills a line of the cache
                                                             (d + …, stride)
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gru4rec.compute.compiled import loss_kernels, row_kernels, update_kernels
from gru4rec.compute.compiled.arrays import Ints
from gru4rec.compute.compiled.large_pages import use_large_pages
from gru4rec.compute.compiled.loops import Loop, Meanwhile
from gru4rec.config import ModelConfig
from gru4rec.errors import ConfigError
from gru4rec.learning.cells import Layers, OriginalGru
from gru4rec.learning.compiled_gru import CompiledGru
from gru4rec.model import optimizer
from gru4rec.model.losses import find_loss
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad

# with fewer multiplications in its GRU layers a step gains little by several threads on them
_FEW = 10_000_000

# numbers of 32 bits in a line of a processor's cache
_LINE = 16


class Distinct:
    """Lists the distinct items of a step; see `row_kernels.number_distinct`.

    Args:
        n_items: Size of the catalogue.
        most: How many can be listed.

    Attributes:
        n: How many are listed.
        n_items: Size of the catalogue.
        rows: The list, shape (most,).
        slots: Hash table of places in it.
    """

    def __init__(self, n_items: int, most: int) -> None:
        self.n, self.n_items = 0, n_items
        self.rows = np.empty(most, dtype=np.int64)
        self.slots = np.empty(1 << (2 * most).bit_length(), dtype=np.int64)

    def forget(self) -> None:
        """Begins an empty list."""
        self.n = 0
        self.slots.fill(-1)

    def add(self, items: Ints, places: Ints) -> None:
        """Lists items (n,) and fills in their places in the list, shape (at least n,)."""
        self.n = row_kernels.number_distinct(
            items, self.n_items, self.n, self.slots, self.rows, places
        )


class Table:
    """A table with room for the gradients of the rows that a step uses.

    Args:
        name: Of the table.
        network: Has the table; is changed in place.
        adagrad: Is changed in place.
        rows: Lists those that a step uses.
        with_bias: Whether its items have biases that are updated with it.

    Attributes:
        sizes: Arguments of loops over its rows.
        gradient: Of listed rows, shape (most rows, stride): that of the row, of the bias, and what
            fills the line.
        late: 1 for rows whose gradient takes longer, else 0, shape (most rows,), an array.
        update: Updates listed rows by their gradients; see `update_kernels.adagrad`.
    """

    def __init__(
        self, name: str, network: Network, adagrad: Adagrad, rows: Distinct, with_bias: bool = False
    ) -> None:
        table, state = network.tables[name], _optimised(adagrad, name)
        biases = {}
        if with_bias:
            biases = {f"bias_{key}": value for key, value in _optimised(adagrad, "bias").items()}
            biases["biases"] = network.tables["bias"]
        use_large_pages(table, *state.values(), *biases.values())
        width = table.shape[1]
        # rows that begin with a line are written faster
        stride = -(-(width + with_bias) // _LINE) * _LINE
        self.gradient = torch.empty(len(rows.rows), stride)
        self.late = np.zeros(len(rows.rows), dtype=np.int64)
        self.sizes: dict[str, Any] = {
            "table": table,
            "n_rows": network.n_items,
            "width": width,
            "stride": stride,
        }
        self.update = Loop(
            update_kernels.adagrad,
            grain=max(1, min(128, 8192 // width)),
            gradient=self.gradient,
            rows=torch.from_numpy(rows.rows),
            late=torch.from_numpy(self.late),
            **self.sizes,
            **state,
            **biases,
            **_options(adagrad),
        )


class Dense:
    """All tensors that are no tables.

    Args:
        weights: By name; are changed in place.
        adagrad: Is changed in place.
    """

    def __init__(self, weights: dict[str, Tensor], adagrad: Adagrad) -> None:
        self._kept = weights, adagrad  # alive for as long as their addresses are here
        sizes = np.array([weight.numel() for weight in weights.values()])
        units = -(-sizes // update_kernels.PORTION)
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
            update_kernels.adagrad_dense,
            grain=1,
            tensors=self._tensors,
            n_tensors=len(weights),
            **_options(adagrad),
        )
        self._addresses = self._tensors.numpy()[:, 5]

    def update(self, gradients: dict[str, Tensor]) -> None:
        """Updates all tensors by their gradients."""
        for name, gradient in gradients.items():
            self._addresses[self._places[name]] = gradient.data_ptr()
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


class CompiledStep:
    """Trains on mini-batches on a CPU; see `AutogradStep`.

    Raises:
        ConfigError: The gradient of the loss is no compiled loop.
    """

    def __init__(
        self,
        network: Network,
        adagrad: Adagrad,
        config: ModelConfig,
        dropout: Dropout,
        log_counts: Tensor,
    ) -> None:
        self._loss = find_loss(config.loss)
        if self._loss.kernel is None:
            raise ConfigError(f"the gradient of the loss {config.loss!r} is no compiled loop")
        self._config = config
        self._embed = network.embed
        self._shared = network.architecture.shared
        most_candidates = config.batch_size + config.n_sample
        most_rows = most_candidates + (config.batch_size if self._shared else 0)
        self._rows = Distinct(network.n_items, most_rows)
        self._outputs = Table("output", network, adagrad, self._rows, with_bias=True)
        if self._shared:
            self._input_rows, self._inputs = self._rows, self._outputs
        else:
            self._input_rows = Distinct(network.n_items, config.batch_size)
            self._inputs = Table("input", network, adagrad, self._input_rows)
        self._layers = _make_layers(network, dropout, config.batch_size)
        self._dense = Dense(network.dense, adagrad)
        self._places = torch.empty(most_candidates, dtype=torch.int64)
        self._input_places = np.empty(config.batch_size, dtype=np.int64)
        self._products, self._scores = torch.empty(2, config.batch_size * most_candidates)
        self._positives, self._draws = torch.empty(2, most_candidates, dtype=torch.int64)
        # the same memory: each array made of a tensor in a step costs a microsecond
        self._counted = [each.numpy() for each in (self._places, self._positives, self._draws)]
        self._by_inputs = self._inputs.gradient.numpy()
        self._offsets, self._copies, self._shares = torch.empty(3, most_candidates)
        self._gathered = torch.empty(most_rows, self._outputs.sizes["stride"])
        self._with_one = torch.zeros(config.batch_size, self._outputs.sizes["stride"])
        self._with_one[:, self._outputs.sizes["width"]] = 1
        self._gather = self._make_gather(network.tables["bias"], log_counts)
        multiplications = config.batch_size * sum(w.numel() for w in network.dense.values())
        self._is_small = multiplications < _FEW
        self._losses = torch.empty(config.batch_size)
        self._lose = self._make_loss(self._loss.kernel)

    def _make_gather(self, biases: Tensor, log_counts: Tensor) -> Loop:
        config = self._config
        logq = config.logq if self._loss.takes_log_q else 0.0
        use_large_pages(log_counts)
        return Loop(
            row_kernels.gather,
            grain=128,
            out=self._gathered,
            biases=biases,
            log_counts=log_counts,
            rows=torch.from_numpy(self._rows.rows),
            positives=self._positives,
            draws=self._draws,
            offsets=self._offsets,
            copies=self._copies,
            shares=self._shares,
            logarithms=self._loss.takes_log_q,
            positive_logq=logq,
            negative_logq=logq * config.sample_alpha,
            **self._outputs.sizes,
        )

    def _make_loss(self, kernel: str) -> Loop:
        of = getattr(loss_kernels, kernel)
        given = {
            "products": self._products,
            "scores": self._scores,
            "offsets": self._offsets,
            "places": self._places,
            "copies": self._copies,
            "shares": self._shares,
            "losses": self._losses,
            "scale": 1 / self._config.batch_size,
        }
        given = {name: value for name, value in given.items() if name in of.arguments}
        options = {name: self._config[name] for name in self._loss.options}
        return Loop(of, grain=4, **given, **options)

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch; see `AutogradStep.__call__`."""
        n = inputs.shape[0]
        n_candidates = self._list_rows(inputs.numpy(), targets.numpy(), negatives.numpy())
        n_inputs = self._input_rows.n
        n_common = n_candidates if self._shared else 0  # candidates among the rows of inputs
        with self._beside(self._gather, n_candidates=n_candidates):
            x = self._embed(inputs)
            states = self._layers.forward(x, hidden)
        outputs = self._gathered[:n_candidates, : states[-1].shape[1]]
        scores = self._differentiate_loss(states[-1], outputs)
        # a column of ones beside the state gives the biases' gradients in the same product
        with_one = self._with_one[:n]
        with_one[:, : outputs.shape[1]] = states[-1]
        torch.mm(scores.T, with_one, out=self._outputs.gradient[:n_candidates])
        by_state = torch.mm(outputs.T, scores.T).T

        input_places, late = self._input_places[:n], self._outputs.late
        if self._shared:
            late[input_places] = 1
        with self._beside(self._outputs.update, n_biases=n_candidates, turn=0):
            by_x = self._layers.backward(by_state)
            # the rows of inputs that are no candidates have nothing yet
            self._by_inputs[n_common:n_inputs] = 0
            row_kernels.add_rows(self._by_inputs, input_places, by_x.numpy())
        self._inputs.update(n_inputs, n_biases=n_common, turn=int(self._shared))
        if self._shared:
            late[input_places] = 0
        self._dense.update(self._layers.gradients)
        return self._losses[:n].sum(), states

    def _beside(self, loop: Loop, **values: int) -> Meanwhile:
        """Runs a loop over listed rows beside what is in a block, or after it if that is much work.

        Little work in many calls leaves the other threads idle; loops over rows wait for memory.
        """
        return loop.meanwhile(self._rows.n, beside=self._is_small, **values)

    def _list_rows(self, inputs: Ints, targets: Ints, negatives: Ints) -> int:
        """Lists the distinct candidates, then the inputs; returns how many candidates there are."""
        rows = self._rows
        if len(targets) + len(negatives) > self._places.shape[0]:
            raise IndexError(
                f"{len(negatives)} negatives were drawn, but n_sample is {self._config.n_sample}"
            )
        if len(inputs) > len(self._input_places):
            raise IndexError(f"a batch has {len(inputs)} rows, not {len(self._input_places)}")
        n_candidates: int = row_kernels.list_candidates(
            targets, negatives, rows.n_items, rows.slots, rows.rows, *self._counted
        )
        rows.n = n_candidates
        if not self._shared:
            self._input_rows.forget()
        self._input_rows.add(inputs, self._input_places)
        return n_candidates

    def _differentiate_loss(self, state: Tensor, outputs: Tensor) -> Tensor:
        """Fills in the losses; returns their gradient by the scores, shape (n, n_candidates)."""
        n, n_candidates = state.shape[0], outputs.shape[0]
        # faster than the other way round; the loop that adds the offsets turns them
        products = self._products[: n * n_candidates].view(n_candidates, n)
        torch.mm(outputs, state.T, out=products)
        self._lose(n, width=n_candidates)
        scores: Tensor = self._scores[: n * n_candidates].view(n, n_candidates)
        return scores


def _make_layers(network: Network, dropout: Dropout, most_rows: int) -> Layers:
    weights = map(network.cell_weights, range(len(network.architecture.layers)))
    cells = [OriginalGru(w) if "bias" in w else CompiledGru(w, most_rows) for w in weights]
    return Layers(cells, dropout, network.architecture.gates_per_item)
