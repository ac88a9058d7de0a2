import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from gru4rec.compute import using
from gru4rec.compute.cells import gru, original_gru
from gru4rec.model import network as network_module
from gru4rec.model.network import (
    Architecture,
    Dropout,
    Network,
    append_items,
    compatible_draw,
    new_network,
    seeded_draw,
)

MakeNetwork = Callable[..., Network]


def random(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# --- architecture ---


@pytest.mark.parametrize(
    ("architecture", "input_table", "first_layer"),
    [
        (Architecture((6, 4), 0, shared=True), None, (18, 4)),
        (Architecture((6, 4), 5, shared=True), None, (18, 4)),
        (Architecture((6, 4), 5, shared=False), (9, 5), (18, 5)),
        (Architecture((6, 4), 0, shared=False), (9, 18), None),
    ],
    ids=["shared", "shared wins over embedding", "separate", "none"],
)
def test_sizes(
    architecture: Architecture,
    input_table: tuple[int, int] | None,
    first_layer: tuple[int, int] | None,
) -> None:
    tables, dense = architecture.table_shapes(9), architecture.dense_shapes()

    assert tables.get("input") == input_table
    assert tables["output"] == (9, 4)
    assert tables["bias"] == (9,)
    assert dense.get("gru0.weight_ih") == first_layer
    assert ("gru0.weight_rz" in dense) == (first_layer is None)
    assert dense["gru1.weight_ih"] == (12, 6)
    assert dense["gru1.weight_hh"] == (12, 4)


def test_layers_follow_each_other(architecture: Architecture, make_network: MakeNetwork) -> None:
    network = make_network(architecture, n_items=9)
    hidden = [random(3, 6).float(), random(3, 4).float()]
    items = torch.tensor([8, 0, 8])

    first, second = network.advance(network.embed(items), hidden)

    dense = network.dense
    table = network.tables["output" if architecture.shared else "input"]
    by_layer = [
        {name.split(".")[1]: weight for name, weight in dense.items() if f"gru{layer}." in name}
        for layer in (0, 1)
    ]
    cell = original_gru if architecture.gates_per_item else gru
    expected = cell(table[items], hidden[0], **by_layer[0])
    torch.testing.assert_close(first, expected)
    torch.testing.assert_close(second, gru(expected, hidden[1], **by_layer[1]))


@pytest.mark.parametrize("engine", ["plain", "compiled"])
@pytest.mark.parametrize("n", [1, 3])
def test_reading_is_advancing(
    architecture: Architecture, engine: str, n: int, make_network: MakeNetwork
) -> None:
    network = make_network(architecture, n_items=9)
    hidden = [random(n, 6).float(), random(n, 4).float()]
    before = [h.clone() for h in hidden]
    items = np.array([8, 0, 8])[:n]

    with using(engine):
        read = network.read(items, hidden)

    expected = network.advance(network.embed(torch.from_numpy(items)), hidden)
    torch.testing.assert_close(read, expected)
    torch.testing.assert_close(hidden, before, rtol=0, atol=0)


def test_state_before_the_first_item_is_zero(make_network: MakeNetwork) -> None:
    network = make_network(Architecture((6, 4), 0, shared=True), n_items=9)

    hidden = network.zero_state(2)

    assert [h.tolist() for h in hidden] == [[[0.0] * 6] * 2, [[0.0] * 4] * 2]


# --- initial weights ---


def compatible_weights(architecture: Architecture, n_items: int) -> dict[str, np.ndarray]:
    """The reference's initial weights, after the description in algorithm.md."""
    stream = np.random.RandomState(42)

    def draw(rows: int, columns: int) -> np.ndarray:
        sigma = np.float32(math.sqrt(6 / (rows + columns)))
        return stream.rand(rows, columns).astype(np.float32) * (2 * sigma) - sigma

    weights, width, first = {}, architecture.layers[-1], architecture.layers[0]
    if not architecture.shared and architecture.embedding:
        width = architecture.embedding
        weights["input"] = draw(n_items, width)
    elif not architecture.shared:
        weights["input"] = np.hstack([draw(n_items, first) for _ in "crz"])
        weights["gru0.weight_rz"] = np.hstack([draw(first, first) for _ in "rz"])
        weights["gru0.weight_h"] = draw(first, first)
    for layer, units in enumerate(architecture.layers):
        if layer or not architecture.gates_per_item:
            weights[f"gru{layer}.weight_ih"] = np.vstack([draw(units, width) for _ in "rzn"])
            weights[f"gru{layer}.weight_hh"] = np.vstack([draw(units, units) for _ in "rzn"])
        width = units
    weights["output"] = draw(n_items, architecture.layers[-1])
    return weights


def all_weights(network: Network) -> dict[str, Tensor]:
    return {**network.tables, **network.dense}


def test_compatible_weights_are_those_of_the_reference(architecture: Architecture) -> None:
    expected = compatible_weights(architecture, n_items=50)

    weights = all_weights(new_network(architecture, 50, compatible_draw()))

    for name, weight in weights.items():
        if weight.ndim == 1:
            assert not weight.any(), name
        else:
            np.testing.assert_allclose(weight.numpy(), expected[name], rtol=0, atol=1e-7)
    assert expected.keys() == {name for name, weight in weights.items() if weight.ndim > 1}


def test_drawing_in_parts_changes_nothing(
    architecture: Architecture, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once = all_weights(new_network(architecture, 50, compatible_draw()))
    monkeypatch.setattr(network_module, "_CHUNK", 13)

    in_parts = all_weights(new_network(architecture, 50, compatible_draw()))

    for name, weight in at_once.items():
        assert torch.equal(weight, in_parts[name]), name


def test_compatible_weights_leave_numpys_global_stream_alone() -> None:
    np.random.seed(7)  # noqa: NPY002  (the global stream is what this is about)
    expected = np.random.rand(3)  # noqa: NPY002
    np.random.seed(7)  # noqa: NPY002

    new_network(Architecture((4,), 0, shared=True), 9, compatible_draw())

    assert np.random.rand(3).tolist() == expected.tolist()  # noqa: NPY002


def gate_blocks(network: Network) -> dict[str, Tensor]:
    """Every weight matrix, gate by gate."""
    blocks = {}
    for name, weight in all_weights(network).items():
        if weight.ndim == 1:
            continue
        if name == "input" and network.architecture.gates_per_item:
            parts = weight.chunk(3, dim=1)
        elif name.endswith("weight_rz"):
            parts = weight.chunk(2, dim=1)
        elif name.endswith(("weight_ih", "weight_hh")):
            parts = weight.chunk(3)
        else:
            parts = (weight,)
        blocks |= {f"{name} {n}": part for n, part in enumerate(parts)}
    return blocks


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "not shared"])
@pytest.mark.parametrize("embedding", [0, 48])
def test_seeded_weights_fill_the_glorot_bounds_of_each_gate(shared: bool, embedding: int) -> None:
    architecture = Architecture((40, 64), embedding, shared)
    draw = seeded_draw(torch.Generator().manual_seed(1))

    blocks = gate_blocks(new_network(architecture, 300, draw))

    for name, block in blocks.items():
        bound = math.sqrt(6 / sum(block.shape))
        assert block.abs().max() <= bound, name
        assert block.abs().max() > 0.98 * bound, name
        # of 1600 values and more, the standard deviation is known to some percent
        assert float(block.std()) == pytest.approx(bound / math.sqrt(3), rel=0.06), name
        assert abs(float(block.mean())) < 0.06 * bound, name


def test_seed_decides_the_seeded_weights() -> None:
    def output(seed: int) -> Tensor:
        draw = seeded_draw(torch.Generator().manual_seed(seed))
        return new_network(Architecture((4,), 0, shared=True), 9, draw).tables["output"]

    assert torch.equal(output(1), output(1))
    assert not torch.equal(output(1), output(2))


def test_new_items_get_fresh_rows_at_the_end(
    architecture: Architecture, make_network: MakeNetwork
) -> None:
    network = make_network(architecture, n_items=100)

    larger = append_items(network, 400, torch.Generator().manual_seed(1))

    assert larger.n_items == 500
    assert not larger.tables["bias"][100:].any()
    for name, table in network.tables.items():
        assert torch.equal(larger.tables[name][:100], table), name
    for name, block in gate_blocks(larger).items():
        if not name.startswith("gru"):
            fresh, bound = block[100:], math.sqrt(6 / sum(block.shape))
            assert 0.98 * bound < float(fresh.abs().max()) <= bound, name
    assert larger.dense is network.dense


# --- dropout ---


def dropout(p_embed: float, p_hidden: float, seed: int = 1) -> Dropout:
    return Dropout(p_embed, p_hidden, torch.Generator().manual_seed(seed))


def share_of_zeros(values: Tensor) -> float:
    return float((values == 0).double().mean())


def about(share: float, n: int) -> object:
    """Within four standard deviations of a share of n."""
    return pytest.approx(share, abs=4 * math.sqrt(share * (1 - share) / n))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_dropout_drops_with_the_probability_and_scales_the_rest(probability: float) -> None:
    ones = torch.ones(100, 100)

    dropped = dropout(0, 0)(ones, probability)

    assert share_of_zeros(dropped) == about(probability, ones.numel())
    assert dropped[dropped != 0].unique().tolist() == pytest.approx([1 / (1 - probability)])


def transparent_network(architecture: Architecture) -> Network:
    """Each layer of 50 units puts out ½·tanh(input), unit by unit, from a zero state."""
    network = Network(
        architecture,
        {name: torch.zeros(shape) for name, shape in architecture.table_shapes(1).items()},
        {name: torch.zeros(shape) for name, shape in architecture.dense_shapes().items()},
    )
    for name, weight in network.dense.items():
        if name.endswith("weight_ih"):
            weight[100:] = torch.eye(50)
    network.tables[network.input_name][:, :50] = 0.8  # the candidate's part, without embedding
    return network


@pytest.mark.parametrize(
    ("shared", "embedding"),
    [(True, 0), (False, 50), (False, 0)],
    ids=["shared", "separate", "none"],
)
@pytest.mark.parametrize(("p_embed", "p_hidden"), [(0.3, 0.0), (0.0, 0.4), (0.3, 0.4)])
def test_dropout_by_layer(shared: bool, embedding: int, p_embed: float, p_hidden: float) -> None:
    architecture = Architecture((50, 50), embedding, shared)
    network = transparent_network(architecture)
    x = network.embed(torch.zeros(400, dtype=torch.int64))

    first, second = network.advance(x, network.zero_state(400), dropout(p_embed, p_hidden))

    if architecture.gates_per_item:
        # dropout_p_embed acts on the first layer's output, dropout_p_hidden on the second's
        kept_first, value = 1 - p_embed, math.tanh(0.8) / 2 / (1 - p_embed)
    else:
        kept_first = (1 - p_embed) * (1 - p_hidden)
        value = math.tanh(0.8 / (1 - p_embed)) / 2 / (1 - p_hidden)
    assert share_of_zeros(first) == about(1 - kept_first, first.numel())
    assert first[first != 0].unique().tolist() == pytest.approx([value])
    # what the first layer drops, the second does not see
    assert not second[first == 0].any()
    assert share_of_zeros(second) == about(1 - kept_first * (1 - p_hidden), second.numel())
    expected = math.tanh(value) / 2 / (1 - p_hidden)
    assert second[second != 0].unique().tolist() == pytest.approx([expected])


def test_without_dropout_nothing_is_dropped() -> None:
    network = transparent_network(Architecture((50, 50), 0, shared=True))
    x = network.embed(torch.zeros(400, dtype=torch.int64))

    states = network.advance(x, network.zero_state(400))

    assert [share_of_zeros(state) for state in states] == [0, 0]


def test_seed_decides_what_is_dropped() -> None:
    ones = torch.ones(1000)

    assert torch.equal(dropout(0, 0, seed=1)(ones, 0.5), dropout(0, 0, seed=1)(ones, 0.5))
    assert not torch.equal(dropout(0, 0, seed=1)(ones, 0.5), dropout(0, 0, seed=2)(ones, 0.5))
