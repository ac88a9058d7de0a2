"""A causal transformer, without its embedding: what SASRec has where GRU4Rec has a GRU."""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor, nn

Drop = Callable[[Tensor], Tensor]


class Transformer(nn.Module):
    """Turns embedded items into states, each of which knows its own and earlier items only.

    x₀ = √d · embedded + P, with P a learnt row for each place from the start; then the blocks, and
    a layer normalisation.

    Args:
        units: Width d of everything.
        n_blocks: Blocks in sequence.
        n_heads: Of the attention; divides `units`.
        max_length: Longest sequence.
        gated: See `Block`.
        generator: Draws the initial weights: matrices as Glorot & Bengio do, with a normal
            distribution; biases and P begin with 0.
    """

    def __init__(
        self,
        units: int,
        n_blocks: int,
        n_heads: int,
        max_length: int,
        gated: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        with torch.device("meta"):  # PyTorch would draw from the global generator
            self.places = nn.Parameter(torch.empty(max_length, units))
            self.blocks = nn.ModuleList(Block(units, n_heads, gated) for _ in range(n_blocks))
            self.norm = nn.LayerNorm(units)
        self.to_empty(device=generator.device)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.xavier_normal_(module.weight, generator=generator)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.LayerNorm):
                module.reset_parameters()
        nn.init.zeros_(self.places)

    def forward(self, embedded: Tensor, drop: Drop) -> Tensor:
        """Computes the states.

        Args:
            embedded: Shape (n, length, units), length ≤ max_length.
            drop: Dropout, or what returns its argument.

        Returns:
            Shape (n, length, units).
        """
        length, units = embedded.shape[1:]
        x = drop(math.sqrt(units) * embedded + self.places[:length])
        for block in self.blocks:
            x = block(x, drop)
        states: Tensor = self.norm(x)
        return states


class Block(nn.Module):
    """Attention, then a feed-forward network, each added to what it read.

    As in SASRec (Kang & McAuley, ICDM 2018, section III), x + drop(f(norm(x))), with a network of
    one hidden layer of d units and ReLU. Gated, it is LiGR (Borisyuk et al., arXiv 2502.03417),
    which eSASRec (Tikhonovich et al., RecSys 2025) puts in its place:
    x + σ(x W + b) ∘ drop(f(norm(x))), with a network of 4 d units and SwiGLU.

    Args:
        units: Width d.
        n_heads: Divides `units`.
        gated: LiGR.
    """

    def __init__(self, units: int, n_heads: int, gated: bool) -> None:
        super().__init__()
        self.n_heads = n_heads
        hidden = 4 * units if gated else units
        self.norms = nn.ModuleList(nn.LayerNorm(units) for _ in range(2))
        self.projected = nn.Linear(units, 3 * units)  # queries, keys, values
        self.mixed = nn.Linear(units, units)
        self.widened = nn.Linear(units, 2 * hidden if gated else hidden)
        self.narrowed = nn.Linear(hidden, units)
        self.gates = nn.ModuleList(nn.Linear(units, units) for _ in range(2 * gated))

    def forward(self, x: Tensor, drop: Drop) -> Tensor:
        """Returns the shape of x, (n, length, units); see `Transformer.forward`."""
        for nth, part in enumerate((self._attend, self._feed_forward)):
            change = drop(part(self.norms[nth](x)))
            x = x + (torch.sigmoid(self.gates[nth](x)) * change if self.gates else change)
        return x

    def _attend(self, x: Tensor) -> Tensor:
        n, length, units = x.shape
        heads = self.projected(x).view(n, length, 3, self.n_heads, units // self.n_heads)
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)  # (n, n_heads, length, …) each
        mixture = F.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        out: Tensor = self.mixed(mixture.transpose(1, 2).reshape(n, length, units))
        return out

    def _feed_forward(self, x: Tensor) -> Tensor:
        hidden = self.widened(x)
        if self.gates:
            gate, hidden = hidden.chunk(2, dim=-1)
            hidden = F.silu(gate) * hidden
        else:
            hidden = F.relu(hidden)
        out: Tensor = self.narrowed(hidden)
        return out
