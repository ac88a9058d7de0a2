"""The training step, with its gradients left to autograd: on any device, and easy to read.

Other steps do the same faster; tests hold them against this one.
"""

import torch
from torch import Tensor

from gru4rec.config import ModelConfig
from gru4rec.model.losses import find_loss
from gru4rec.model.network import Dropout, Network
from gru4rec.model.optimizer import Adagrad


class AutogradStep:
    """Trains on mini-batches.

    Args:
        network: Weights; changed in place.
        adagrad: State of the optimiser; changed in place.
        config: Loss and batch size.
        dropout: Drop probabilities.
        log_counts: Logarithm of the popularity counts, shape (n_items,).
    """

    def __init__(
        self,
        network: Network,
        adagrad: Adagrad,
        config: ModelConfig,
        dropout: Dropout,
        log_counts: Tensor,
    ) -> None:
        self._network, self._adagrad, self._config = network, adagrad, config
        self._dropout, self._log_counts = dropout, log_counts
        self._loss = find_loss(config.loss)
        self._options = {name: config[name] for name in self._loss.options}

    def __call__(
        self, inputs: Tensor, targets: Tensor, negatives: Tensor, hidden: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Trains on one mini-batch: scores only the candidates and updates only their rows.

        Args:
            inputs: Item indices, shape (n,).
            targets: Item indices, shape (n,).
            negatives: Extra negatives, item indices, shape (n_sample,).
            hidden: Hidden states, per layer (n, units).

        Returns:
            The sum of the rows' losses, and the new hidden states, cut off from the past.
        """
        network, adagrad = self._network, self._adagrad
        gathered = Gathered(network, inputs, torch.cat([targets, negatives]))
        dense = {name: weight.detach().requires_grad_() for name, weight in network.dense.items()}
        with torch.enable_grad():
            differentiable = Network(network.architecture, {}, dense)
            states = differentiable.advance(gathered.inputs, hidden, self._dropout)
            scores = states[-1] @ gathered.outputs.T + gathered.biases
            log_q = [self._log_q(targets, negatives)] if self._loss.takes_log_q else []
            loss = self._loss.function(scores, *log_q, **self._options).sum()
            leaves = [*gathered.rows.values(), *dense.values()]
            gradients = torch.autograd.grad(loss / self._config.batch_size, leaves)
        for (name, rows), gradient in zip(gathered.numbers.items(), gradients, strict=False):
            adagrad.update_rows(name, network.tables[name], rows, gradient)
        for name, gradient in zip(dense, gradients[len(gathered.rows) :], strict=True):
            adagrad.update(name, network.dense[name], gradient)
        return loss.detach(), [state.detach() for state in states]

    def _log_q(self, targets: Tensor, negatives: Tensor) -> Tensor | None:
        config = self._config
        if not config.logq:
            return None
        # log(count^alpha) of a drawn negative, log(count) of a target
        log_q = torch.cat(
            [self._log_counts[targets], config.sample_alpha * self._log_counts[negatives]]
        )
        return config.logq * log_q


class Gathered:
    """The rows that a step uses, each once, as leaves of the gradient.

    Attributes:
        numbers: Distinct row numbers by table, shape (n_rows,).
        rows: These rows by table, shape (n_rows, ...); they want gradients, which autograd sums
            over all uses of a row.
        inputs: Shape (n_inputs, input width).
        outputs: Shape (n_candidates, last layer).
        biases: Shape (n_candidates,).
    """

    def __init__(self, network: Network, inputs: Tensor, candidates: Tensor) -> None:
        uses = {"bias": candidates}
        if network.architecture.shared:
            uses["output"] = torch.cat([inputs, candidates])
        else:
            uses |= {"output": candidates, "input": inputs}
        self.numbers: dict[str, Tensor] = {}
        self.rows: dict[str, Tensor] = {}
        used = {}
        for name, items in uses.items():
            self.numbers[name], where = torch.unique(items, return_inverse=True)
            self.rows[name] = network.tables[name][self.numbers[name]].requires_grad_()
            with torch.enable_grad():
                used[name] = self.rows[name][where]
        if network.architecture.shared:
            n = len(inputs)
            used["input"], used["output"] = used["output"][:n], used["output"][n:]
        self.inputs, self.outputs, self.biases = used["input"], used["output"], used["bias"]
