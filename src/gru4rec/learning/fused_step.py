"""The training step of a GPU with Triton: what lies between the large products is fused.

What `StaticStep` does, in a quarter of the launches:

- a GRU layer is one kernel forward, one backward beside the product that leads to its inputs, and
  one that makes the gradients of its weights and updates them;
- the loss and its gradient by the scores are one, biases and log-Q correction included;
- the gradients of an item are summed and its row is updated by one; no row is copied back.
"""

from torch import Tensor

from gru4rec.compute.fused import cells as cell_kernels
from gru4rec.compute.fused import losses as loss_kernels
from gru4rec.compute.fused.streams import Beside, on
from gru4rec.compute.fused.updates import Rates, Segments, Updated, update_rows
from gru4rec.config import ModelConfig
from gru4rec.learning.cells import Cell, OriginalGru
from gru4rec.learning.static_step import Batch, StaticStep, Uses, multiply
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad


class FusedGru:
    """The common GRU cell, see `cells.gru`; a `Cell` that updates its own weights.

    Args:
        weights: See `cells.Gru`.
        precision: Of products of this object's own: `ieee` or `tf32`.
        beside: Where one of two products is made.
    """

    def __init__(self, weights: dict[str, Tensor], precision: str, beside: Beside) -> None:
        self._weights, self._precision, self._beside = weights, precision, beside
        self.gradients: dict[str, Tensor] = {}  # none is left to others

    def begin(self, h: Tensor) -> None:
        """Does what can be done before the inputs are known."""
        with self._beside():
            self._by_h = h @ self._weights["weight_hh"].T

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """See `Cell`; `begin` was given these states."""
        x, h = x.contiguous(), h.contiguous()
        by_x = x @ self._weights["weight_ih"].T
        self._beside.join()
        states, saved = cell_kernels.forward(by_x, self._by_h, h, self._weights)
        self._saved = x, h, saved
        return states

    def backward(self, gradient: Tensor) -> Tensor:
        """See `Cell`."""
        _, h, saved = self._saved
        self._by = cell_kernels.backward(gradient.contiguous(), h, saved)
        return self._by[0] @ self._weights["weight_ih"]

    def update(self, adagrad: Adagrad, layer: int) -> None:
        """Updates the weights by what `backward` has found."""
        x, h, _ = self._saved
        updated = {
            name: _updated(adagrad, f"gru{layer}.{name}", weight)
            for name, weight in self._weights.items()
        }
        cell_kernels.update(*self._by, x, h, updated, _rates(adagrad), self._precision)


class FusedStep(StaticStep):
    """Trains on mini-batches, on a GPU; see `AutogradStep`."""

    def __init__(
        self,
        network: Network,
        adagrad: Adagrad,
        config: ModelConfig,
        dropout: Dropout,
        log_counts: Tensor,
    ) -> None:
        for name, tensor in {**network.tables, **network.dense}.items():
            if not tensor.is_contiguous():
                raise ValueError(f"{name} is not contiguous in memory; call contiguous() first")
        self._beside = Beside(network.device)
        super().__init__(network, adagrad, config, dropout, log_counts)
        self._own_cells = {
            layer: cell for layer, cell in enumerate(self._cells) if isinstance(cell, FusedGru)
        }

    def take(self, batch: Batch, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """See `StaticStep.take`."""
        with on(self._network.device):
            return super().take(batch, hidden)

    def _take(self, batch: Batch, hidden: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        _, uses, of_inputs = batch
        tables, candidates = self._network.tables, batch.candidates
        n_candidates = len(candidates)
        for layer, cell in self._own_cells.items():
            cell.begin(hidden[layer])
        used = tables["output"][uses.items]
        outputs = used[:n_candidates]
        read = tables["input"][of_inputs.items] if of_inputs else used[n_candidates:]
        states = self._layers.forward(read, hidden)
        state, outputs = self._rounded(states[-1]), self._rounded(outputs)
        losses, by_scores = self._losses(multiply(state, outputs.T), candidates)
        rounded = self._rounded(by_scores)
        with self._beside():
            by_items = multiply(rounded.T, state)
            loss = losses.sum()
        by_read = self._layers.backward(multiply(rounded, outputs))
        self._beside.join()
        with self._beside():
            for layer, cell in self._own_cells.items():
                cell.update(self._adagrad, layer)
        if self._layers.gradients:
            self._update([])
        if of_inputs:
            self._update_rows("input", of_inputs, by_read, by_read)
        biases = _updated(self._adagrad, "bias", tables["bias"])
        by_shared = by_items if of_inputs else by_read
        self._update_rows("output", uses, by_items, by_shared, by_scores, biases)
        self._beside.join()
        return loss, states

    def _make_cell(self, weights: dict[str, Tensor]) -> Cell:
        if "bias" in weights:
            return OriginalGru(weights)
        precision = "ieee" if self._config.precision == "float32" else "tf32"
        return FusedGru(weights, precision, self._beside)

    def _losses(self, products: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Losses (n,) and their gradient by the scores (n, n_candidates), divided by batch_size."""
        config, bias = self._config, self._network.tables["bias"]
        if self._loss.fused is None or len(candidates) > loss_kernels.MOST:
            offsets = self._corrected(bias[candidates], candidates, len(products))
            return self._differentiate(products.add_(offsets))
        options = {**self._options, "scale": 1 / config.batch_size}
        if self._loss.takes_log_q:
            options |= {"alpha": config.sample_alpha, "logq": config.logq}
            options["log_counts"] = self._log_counts
        kernel = getattr(loss_kernels, self._loss.fused)
        return kernel(products, candidates, bias, **options), products

    def _update_rows(
        self,
        name: str,
        uses: Uses,
        by_candidates: Tensor,
        by_inputs: Tensor,
        by_scores: Tensor | None = None,
        biases: Updated | None = None,
    ) -> None:
        update_rows(
            Segments(uses.ascending, uses.order, uses.ends),
            by_candidates,
            by_inputs,
            _updated(self._adagrad, name, self._network.tables[name]),
            _rates(self._adagrad),
            by_scores,
            biases,
        )


def _updated(adagrad: Adagrad, name: str, weight: Tensor) -> Updated:
    return Updated(weight, adagrad.accumulators[name], adagrad.velocities.get(name))


def _rates(adagrad: Adagrad) -> Rates:
    return Rates(adagrad.learning_rate, adagrad.momentum)
