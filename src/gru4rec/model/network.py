"""Item tables and GRU layers as plain tensors (ICLR 2016, section 3; CIKM 2018, section 4).

Nothing here touches a whole table: callers gather the rows that they need.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gru4rec.compute import Compact, FewSessions, Ints, Plain, cells, engine_of

# draw(matrix, σ) fills the matrix with U(−σ, σ)
Draw = Callable[[Tensor, float], None]

_COMPATIBLE_SEED = 42
_CHUNK = 1 << 22  # numbers drawn at a time, so that a large table needs no second copy


@dataclass(frozen=True)
class Architecture:
    """Sizes and embedding mode.

    Attributes:
        layers: Units of each GRU layer.
        embedding: Width of a separate input embedding; 0 gives each item its own row of
            input-to-gates weights instead.
        shared: The output embedding is also the input embedding; wins over `embedding`.
    """

    layers: tuple[int, ...]
    embedding: int
    shared: bool

    @property
    def gates_per_item(self) -> bool:
        """Whether items feed the gates of the first layer directly, without embedding."""
        return not self.shared and self.embedding == 0

    @property
    def input_width(self) -> int:
        """Columns of the input table."""
        if self.shared:
            return self.layers[-1]
        return self.embedding or 3 * self.layers[0]

    def table_shapes(self, n_items: int) -> dict[str, tuple[int, ...]]:
        """Shapes of the tensors with one row an item."""
        tables: dict[str, tuple[int, ...]] = {
            "output": (n_items, self.layers[-1]),
            "bias": (n_items,),
        }
        return tables if self.shared else {"input": (n_items, self.input_width), **tables}

    def dense_shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all other tensors."""
        shapes: dict[str, tuple[int, ...]] = {}
        width = self.input_width
        for layer, units in enumerate(self.layers):
            name = f"gru{layer}"
            if layer == 0 and self.gates_per_item:
                shapes[f"{name}.weight_rz"] = (units, 2 * units)
                shapes[f"{name}.weight_h"] = (units, units)
                shapes[f"{name}.bias"] = (3 * units,)
            else:
                shapes[f"{name}.weight_ih"] = (3 * units, width)
                shapes[f"{name}.weight_hh"] = (3 * units, units)
                shapes[f"{name}.bias_ih"] = (3 * units,)
                shapes[f"{name}.bias_hh"] = (3 * units,)
            width = units
        return shapes


@dataclass(frozen=True)
class Dropout:
    """Drop probabilities and the randomness behind them.

    Attributes:
        p_embed: On the embedding; without embedding, on the output of the first layer.
        p_hidden: On the output of every other layer.
        generator: On the device of the states.
    """

    p_embed: float
    p_hidden: float
    generator: torch.Generator

    def __call__(self, values: Tensor, probability: float) -> Tensor:
        """Zeroes each value with the probability and scales the others up to the same mean."""
        mask = self.mask(values, probability)
        return values if mask is None else values * mask

    def mask(self, values: Tensor, probability: float) -> Tensor | None:
        """Returns what to multiply values by, of their shape; None where nothing is dropped."""
        if probability == 0:
            return None
        return engine_of(values.device).dropout_mask(values, probability, self.generator)


class Network:
    """The weights, and how hidden states advance by one item.

    Attributes:
        architecture: Sizes and embedding mode.
        tables: Tensors with one row an item: "output" (n_items, last layer), "bias" (n_items,)
            and, unless shared, "input" (n_items, input width).
        dense: All other tensors by name.
        compact: A copy of the output embeddings as they are now, to score one state sooner; None
            where there is none. Whoever changes the weights drops it.
    """

    compact: Compact | None = None  # of the class: one that was pickled earlier has none

    def __init__(
        self, architecture: Architecture, tables: dict[str, Tensor], dense: dict[str, Tensor]
    ) -> None:
        self.architecture = architecture
        self.tables = tables
        self.dense = dense

    @property
    def input_name(self) -> str:
        """Name of the table that input items are looked up in."""
        return "output" if self.architecture.shared else "input"

    @property
    def n_items(self) -> int:
        """Rows of the tables."""
        return len(self.tables["bias"])

    @property
    def device(self) -> torch.device:
        """Where all tensors are."""
        return self.tables["bias"].device

    @property
    def engine(self) -> Plain:
        """What computes there."""
        return engine_of(self.device)

    def zero_state(self, n: int) -> list[Tensor]:
        """Returns the hidden states before the first item: per layer (n, units)."""
        like = self.tables["output"]
        return [like.new_zeros(n, units) for units in self.architecture.layers]

    def embed(self, items: Tensor) -> Tensor:
        """Looks input rows up, shape (n, input width)."""
        return self.tables[self.input_name][items]

    def advance(
        self, x: Tensor, hidden: list[Tensor], dropout: Dropout | None = None
    ) -> list[Tensor]:
        """Advances the hidden states by one item.

        Args:
            x: Input rows of the items, shape (n, input width).
            hidden: Per layer (n, units).
            dropout: None for evaluation.

        Returns:
            New hidden states, per layer (n, units). Dropped-out outputs are what the next step
            receives as hidden states.
        """
        direct = self.architecture.gates_per_item
        if dropout is not None and not direct:
            x = dropout(x, dropout.p_embed)
        states = []
        for layer, h in enumerate(hidden):
            x = cells.advance(x, h, self.cell_weights(layer))
            if dropout is not None:
                first_without_embedding = direct and layer == 0
                x = dropout(x, dropout.p_embed if first_without_embedding else dropout.p_hidden)
            states.append(x)
        return states

    def read(self, items: Ints, hidden: list[Tensor]) -> list[Tensor]:
        """Advances the hidden states by one item, without gradients.

        Args:
            items: Item indices, shape (n,), n > 0.
            hidden: Per layer (n, units).

        Returns:
            New hidden states, per layer (n, units).
        """
        if len(items) > 1:
            return self.advance(self.embed(torch.from_numpy(items).to(self.device)), hidden)
        item = int(items[0])
        x, states = self.tables[self.input_name][item : item + 1], []
        for layer, h in enumerate(hidden):
            x = self.engine.advance_one(x, h, self.cell_weights(layer))
            states.append(x)
        return states

    def scores(self, states: Tensor) -> Tensor:
        """Scores all items after the last layer's states (n, units); shape (n, n_items)."""
        return self.engine.scores(self.tables["output"], self.tables["bias"], states)

    def few_sessions(self) -> FewSessions | None:
        """Returns what lets a few sessions go on; None where the engine has no such thing.

        The weights are those that there are now.
        """
        layers = [self.cell_weights(layer) for layer in range(len(self.architecture.layers))]
        tables = self.tables
        return self.engine.make_few_sessions(
            tables[self.input_name], layers, tables["output"], tables["bias"]
        )

    def add_compact_copy(self) -> bool:
        """Makes `compact`, and returns whether the engine gains anything by one."""
        self.compact = self.engine.make_compact(self.tables["output"], self.tables["bias"])
        return self.compact is not None

    def cell_weights(self, layer: int) -> dict[str, Tensor]:
        """Returns the weights of a layer by their names as arguments of the cell."""
        return {
            name.partition(".")[2]: weight
            for name, weight in self.dense.items()
            if name.startswith(f"gru{layer}.")
        }

    def to(self, device: torch.device) -> "Network":
        """Returns the network on another device."""
        return Network(
            self.architecture,
            {name: tensor.to(device) for name, tensor in self.tables.items()},
            {name: tensor.to(device) for name, tensor in self.dense.items()},
        )


def compatible_draw() -> Draw:
    """Returns the reference implementation's stream of initial weights, always from its start."""
    stream = np.random.RandomState(_COMPATIBLE_SEED)

    def draw(out: Tensor, sigma: float) -> None:
        rows, columns = out.shape
        for first in range(0, rows, max(1, _CHUNK // columns)):
            part = out[first : first + max(1, _CHUNK // columns)]
            uniform = stream.rand(len(part), columns).astype(np.float32)
            part.copy_(torch.from_numpy(uniform * np.float32(2 * sigma) - np.float32(sigma)))

    return draw


def seeded_draw(generator: torch.Generator) -> Draw:
    """Returns initial weights from a generator on the CPU."""

    def draw(out: Tensor, sigma: float) -> None:
        out.uniform_(-sigma, sigma, generator=generator)

    return draw


def new_network(architecture: Architecture, n_items: int, draw: Draw) -> Network:
    """Makes a network with initial weights U(±√(6 / (rows + columns))) per gate block, biases zero.

    The order of the draws is part of the definition: it is the reference implementation's.
    """
    tables = {n: torch.zeros(s) for n, s in architecture.table_shapes(n_items).items()}
    dense = {n: torch.zeros(s) for n, s in architecture.dense_shapes().items()}

    def fill(block: Tensor) -> None:
        draw(block, math.sqrt(6 / sum(block.shape)))

    if architecture.gates_per_item:
        blocks = [
            *tables["input"].chunk(3, dim=1),
            *dense["gru0.weight_rz"].chunk(2, dim=1),
            dense["gru0.weight_h"],
        ]
    else:
        blocks = [] if architecture.shared else [tables["input"]]
    for layer in range(len(architecture.layers)):
        if f"gru{layer}.weight_ih" in dense:
            blocks += dense[f"gru{layer}.weight_ih"].chunk(3)
            blocks += dense[f"gru{layer}.weight_hh"].chunk(3)
    for block in [*blocks, tables["output"]]:
        fill(block)
    return Network(architecture, tables, dense)


def append_items(network: Network, n_new: int, generator: torch.Generator) -> Network:
    """Returns a network with fresh rows for new items at the end of its tables."""
    tables = {}
    for name, table in network.tables.items():
        rows = torch.zeros(n_new, *table.shape[1:])
        if table.ndim > 1:
            # each gate block of an input-to-gates row has a σ of its own
            direct = name == "input" and network.architecture.gates_per_item
            for block in rows.chunk(3 if direct else 1, dim=1):
                sigma = math.sqrt(6 / (len(table) + n_new + block.shape[1]))
                block.uniform_(-sigma, sigma, generator=generator)
        tables[name] = torch.cat([table, rows.to(table.device)])
    return Network(network.architecture, tables, network.dense)
