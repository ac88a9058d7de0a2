"""Small logs and small networks."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec.compute import ENGINES, Plain, using
from gru4rec.model.network import Architecture, Network, new_network, seeded_draw

# shared, separate and no embedding; two layers of unequal size everywhere
ARCHITECTURES = {
    "shared": Architecture((6, 4), 0, shared=True),
    "separate": Architecture((6, 4), 5, shared=False),
    "none": Architecture((6, 4), 0, shared=False),
}


@pytest.fixture
def make_events() -> Callable[..., pd.DataFrame]:
    """Turns lists of items into a log: session s starts at time 1000·s, an item a second."""

    def make(sessions: Sequence[Sequence[Any]]) -> pd.DataFrame:
        rows = [
            (number, item, 1000 * number + second)
            for number, items in enumerate(sessions)
            for second, item in enumerate(items)
        ]
        return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])

    return make


@pytest.fixture
def make_random_sessions() -> Callable[..., list[list[int]]]:
    """Draws sessions of one to eight items out of 0 … n_items − 1."""

    def make(n_sessions: int, n_items: int, seed: int = 0) -> list[list[int]]:
        rng = np.random.default_rng(seed)
        lengths = rng.integers(1, 9, n_sessions)
        return [rng.integers(0, n_items, length).tolist() for length in lengths]

    return make


@pytest.fixture(params=ARCHITECTURES)
def architecture(request: pytest.FixtureRequest) -> Architecture:
    return ARCHITECTURES[request.param]


@pytest.fixture
def make_network() -> Callable[..., Network]:
    """Makes a network whose tensors, biases included, are all random."""

    def make(architecture: Architecture, n_items: int, seed: int = 0) -> Network:
        generator = torch.Generator().manual_seed(seed)
        network = new_network(architecture, n_items, seeded_draw(generator))
        for tensor in (*network.tables.values(), *network.dense.values()):
            if tensor.ndim == 1:
                tensor.uniform_(-0.5, 0.5, generator=generator)
        return network

    return make


@pytest.fixture(params=[name for name in ENGINES if name != "fused"])
def engine(request: pytest.FixtureRequest) -> Iterator[Plain]:
    """Each engine in turn computes on the CPU, but for one whose kernels are too slow there."""
    with using(request.param) as found:
        yield found
