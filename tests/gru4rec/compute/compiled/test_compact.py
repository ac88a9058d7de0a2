"""What may be best by the compact copy holds all that is best, to the last bit."""

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gru4rec.compute.compiled import compact
from gru4rec.compute.compiled.compact import BLOCK, GROUP, CompactTable
from gru4rec.evaluation.ranking import best_among, top_k
from gru4rec.model.network import Architecture, Network


@pytest.fixture(autouse=True)
def never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many items may be best, they are told."""
    monkeypatch.setattr(compact, "LARGEST_SHARE", 1e9)


def network_of(output: Tensor, bias: Tensor) -> Network:
    architecture = Architecture((output.shape[1],), 0, shared=True)
    return Network(architecture, {"output": output, "bias": bias}, {})


def assert_same_best(network: Network, state: Tensor, k: int, seen: list[int]) -> int:
    """The answer by candidates is that of all items, bit for bit; returns how many there were."""
    output, bias = network.tables["output"], network.tables["bias"]
    expected = top_k(network, state, k, [seen])
    found = CompactTable(output, bias).candidates(state, min(k + len(seen), len(bias)))
    assert found is not None
    assert (found.diff() > 0).all()
    best = best_among(network, found, state, k, [seen])
    assert best.items.tolist() == expected.items.tolist()
    assert best.scores.tobytes() == expected.scores.tobytes()
    assert best.lengths.tolist() == expected.lengths.tolist()
    return len(found)


@given(
    n_items=st.integers(1, 2 * BLOCK + 40),
    units=st.integers(1, 37),
    seed=st.integers(0, 10_000),
    exponents=st.tuples(*[st.sampled_from([-140, -60, -10, 0, 10, 45])] * 3),
    n_levels=st.sampled_from([1, 2, 1000]),
    nearness=st.sampled_from([0.0, 1e-6, 1e-3, 1.0]),
    k=st.integers(1, 30),
    n_seen=st.integers(0, 12),
)
def test_the_best_are_among_the_candidates(
    n_items: int,
    units: int,
    seed: int,
    exponents: tuple[int, int, int],
    n_levels: int,
    nearness: float,
    k: int,
    n_seen: int,
) -> None:
    rng = np.random.default_rng(seed)
    # few levels: many equal scores; nearness below 1: rows that differ in the last digits
    base, own = np.rint(n_levels * rng.standard_normal((2, n_items, units))) / n_levels
    output = (1 - nearness) * base[:1] + nearness * own
    output *= rng.choice([0.0, 1.0, 1e-4], (n_items, 1), p=[0.1, 0.8, 0.1])
    bias = np.rint(n_levels * rng.standard_normal(n_items)) / n_levels
    state = np.tanh(2 * rng.standard_normal((1, units))) * rng.integers(0, 2, units)
    tensors = [
        torch.from_numpy(np.float32(array * 2.0**exponent))
        for array, exponent in zip((output, bias, state), exponents, strict=True)
    ]
    seen = rng.integers(0, n_items, n_seen).tolist()
    assert_same_best(network_of(*tensors[:2]), tensors[2], k, seen)


def test_bounds_hold_in_exact_arithmetic() -> None:
    """For each item alone: what the copy says of it has its score between its bounds."""
    rng = np.random.default_rng(1)
    for units, size in ((5, 1.0), (64, 3e-3), (301, 40.0)):
        row = torch.from_numpy(np.float32(size * rng.standard_normal((1, units))))
        state = torch.from_numpy(np.float32(rng.uniform(-1, 1, (1, units))))
        table = CompactTable(row, torch.zeros(1))
        levels = table._blocks[0, :units, 0].tolist()
        scale = Fraction(table._scales[0, 0].item())
        weights = [Fraction(x) for x in row[0].tolist()]
        hidden = [Fraction(x) for x in state[0].tolist()]
        for weight, level in zip(weights, levels, strict=True):
            assert abs(weight - scale * level) <= Fraction("0.50002") * scale
        exact = sum(w * h for w, h in zip(weights, hidden, strict=True))
        coarse = scale * sum(q * h for q, h in zip(levels, hidden, strict=True))
        assert abs(exact - coarse) <= Fraction("0.50002") * scale * sum(map(abs, hidden))


@pytest.mark.usefixtures("torch_threads")
def test_few_of_a_large_catalogue_are_candidates() -> None:
    generator = torch.Generator().manual_seed(1)
    output, bias = torch.randn(40_001, 50, generator=generator), torch.randn(40_001)
    network = network_of(output, bias)
    for _ in range(2):
        state = torch.randn(1, 50, generator=generator).tanh()
        n_found = assert_same_best(network, state, 20, [3, 40_000])
        assert 20 <= n_found < 100 * GROUP


def test_a_new_session_has_the_popular_items() -> None:
    bias = torch.arange(3000.0) % 1000
    assert assert_same_best(network_of(torch.ones(3000, 3), bias), torch.zeros(1, 3), 4, []) <= 96


def test_the_last_units_and_items_count() -> None:
    output = torch.zeros(BLOCK + 1, 5)
    output[BLOCK, 4] = 1.0  # neither fills a block, nor the four units that are read at once
    found = CompactTable(output, torch.zeros(BLOCK + 1)).candidates(torch.ones(1, 5), 1)
    assert found is not None
    assert found.tolist() == [BLOCK]


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf, 1e37])
@pytest.mark.parametrize("where", ["output", "bias", "state"])
def test_of_what_may_overflow_nothing_is_said(value: float, where: str) -> None:
    given = {"output": torch.ones(300, 4), "bias": torch.ones(300), "state": torch.ones(1, 4)}
    given[where][..., -1] = value
    table = CompactTable(given["output"], given["bias"])
    assert table.candidates(given["state"], 1) is None


def test_all_items_are_scored_where_too_many_may_be_best(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compact, "LARGEST_SHARE", 1 / 8)
    table, state = CompactTable(torch.ones(8000, 2), torch.zeros(8000)), torch.ones(1, 2)
    assert table.candidates(state, 1) is None  # all are equal
    table = CompactTable(torch.ones(8000, 2), torch.arange(8000.0))
    assert table.candidates(state, 8000 // GROUP // 8 + 1) is None
    found = table.candidates(state, 1)
    assert found is not None
    assert found.tolist() == list(range(8000 - GROUP, 8000))
