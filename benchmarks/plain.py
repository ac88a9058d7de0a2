"""GRU4Rec as one writes it with PyTorch's own parts: the yardstick for the training step.

`nn.Embedding(sparse=True)`, `nn.GRUCell`, autograd, and Adagrad that updates the rows of a sparse
gradient. One embedding serves input and output, one layer, as in the cases that are measured.
"""

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor, nn

from gru4rec import ModelConfig


class PlainNetwork(nn.Module):
    """Scores candidates after a step."""

    def __init__(self, n_items: int, config: ModelConfig) -> None:
        super().__init__()
        units = config.layers[0]
        self.embedding = nn.Embedding(n_items, units, sparse=True)
        self.bias = nn.Embedding(n_items, 1, sparse=True)
        self.cell = nn.GRUCell(units, units)
        self.config = config
        nn.init.uniform_(self.embedding.weight, -0.01, 0.01)
        nn.init.zeros_(self.bias.weight)

    def forward(self, inputs: Tensor, candidates: Tensor, hidden: Tensor) -> tuple[Tensor, Tensor]:
        """Returns scores (n, n_candidates) and states (n, units) for inputs (n,)."""
        x = F.dropout(self.embedding(inputs), self.config.dropout_p_embed)
        hidden = F.dropout(self.cell(x, hidden), self.config.dropout_p_hidden)
        scores = hidden @ self.embedding(candidates).T + self.bias(candidates).T
        return scores, hidden


class SparseAdagrad(torch.optim.Optimizer):
    """Adagrad with momentum that leaves rows without gradient alone."""

    def __init__(self, parameters: list[Tensor], lr: float, momentum: float) -> None:
        super().__init__(parameters, {"lr": lr, "momentum": momentum})
        for parameter in parameters:
            self.state[parameter]["acc"] = torch.zeros_like(parameter)
            if momentum:
                self.state[parameter]["mom"] = torch.zeros_like(parameter)

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        """Updates all parameters."""
        lr, momentum = self.defaults["lr"], self.defaults["momentum"]
        for parameter in self.param_groups[0]["params"]:
            state, gradient = self.state[parameter], parameter.grad
            if not gradient.is_sparse:
                state["acc"].addcmul_(gradient, gradient)
                update = -lr * gradient / (state["acc"] + 1e-6).sqrt()
                if momentum:
                    update = state["mom"].mul_(momentum).add_(update)
                parameter.add_(update)
                continue
            gradient = gradient.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
            acc = state["acc"][rows] + values * values
            state["acc"][rows] = acc
            update = -lr * values / (acc + 1e-6).sqrt()
            if momentum:
                update = momentum * state["mom"][rows] + update
                state["mom"][rows] = update
            parameter.index_add_(0, rows, update)


class PlainTrainer:
    """Trains on mini-batches; negatives are drawn in large portions, as is common."""

    def __init__(
        self, n_items: int, config: ModelConfig, counts: Tensor, device: str = "cpu"
    ) -> None:
        self.device, counts = device, counts.to(device)
        self.network = PlainNetwork(n_items, config).to(device)
        parameters = list(self.network.parameters())
        self.optimizer = SparseAdagrad(parameters, config.learning_rate, config.momentum)
        self.config = config
        self.log_counts = counts.float().log()
        self.cumulative = (counts.double() ** config.sample_alpha).cumsum(0)
        self.drawn = torch.empty(0, config.n_sample, dtype=torch.int64, device=device)

    def negatives(self) -> Tensor:
        """Draws the negatives of a step, shape (n_sample,)."""
        if not len(self.drawn):
            size = (1000, self.config.n_sample)
            uniform = torch.rand(size, dtype=torch.float64, device=self.device)
            self.drawn = torch.searchsorted(self.cumulative, uniform * self.cumulative[-1])
        negatives, self.drawn = self.drawn[0], self.drawn[1:]
        return negatives

    def step(self, inputs: Tensor, targets: Tensor, starts: Tensor, hidden: Tensor) -> Tensor:
        """Trains on inputs and targets (n,); returns the new states (n, units)."""
        negatives = self.negatives()
        hidden = hidden * ~starts[:, None]
        candidates = torch.cat([targets, negatives])
        scores, hidden = self.network(inputs, candidates, hidden)
        self.optimizer.zero_grad()
        (self.losses(scores, targets, negatives).sum() / self.config.batch_size).backward()
        self.optimizer.step()
        return hidden.detach()

    def losses(self, scores: Tensor, targets: Tensor, negatives: Tensor) -> Tensor:
        """Returns the loss of each row, shape (n,)."""
        config = self.config
        if config.loss == "cross-entropy":
            log_q = torch.cat(
                [self.log_counts[targets], config.sample_alpha * self.log_counts[negatives]]
            )
            log_softmax = F.log_softmax(scores - config.logq * log_q, dim=1)
            return -log_softmax.diagonal()
        if config.elu_param:
            scores = F.elu(scores, config.elu_param)
        own = scores.diagonal()
        mask = torch.eye(*scores.shape, dtype=torch.bool, device=self.device)
        weights = F.softmax(scores.masked_fill(mask, -torch.inf), dim=1)
        wins = (weights * torch.sigmoid(own[:, None] - scores)).sum(dim=1)
        return -torch.log(wins + 1e-24) + config.bpreg * (weights * scores**2).sum(dim=1)
