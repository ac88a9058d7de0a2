from collections.abc import Iterator
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from gru4rec.compute import ENGINES, Best, Plain, Static, using
from gru4rec.compute.compiled import ranking as compiled_ranking
from gru4rec.compute.compiled.engine import Compiled
from gru4rec.compute.plain import Floats, Ints
from gru4rec.config import TieMode
from gru4rec.evaluation import TIE_MODES
from gru4rec.evaluation.ranking import rank, top_k
from gru4rec.model.network import Architecture, Network

MODES = ["standard", "conservative", "median"]


def test_the_tie_modes_are_those_of_the_options() -> None:
    assert set(TIE_MODES) == set(get_args(TieMode)) == set(MODES)


def network_of(output: list[list[float]], bias: list[float]) -> Network:
    tables = {"output": torch.tensor(output), "bias": torch.tensor(bias)}
    return Network(Architecture((len(output[0]),), 0, shared=True), tables, {})


def constant(bias: list[float]) -> Network:
    """Scores are the biases, whatever the state."""
    return network_of([[0.0]] * len(bias), bias)


def by_row(best: Best) -> list[tuple[Ints, Floats]]:
    ends = np.cumsum(best.lengths)[:-1]
    return list(zip(np.split(best.items, ends), np.split(best.scores, ends), strict=True))


def test_score_is_the_product_with_the_output_embedding_plus_bias() -> None:
    network = network_of([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]], [0.5, 0.25, 0.0])

    scores = network.scores(torch.tensor([[1.0, 1.0], [2.0, 0.0]]))

    assert scores.tolist() == [[3.5, -0.75, 3.0], [2.5, 0.25, 6.0]]


NARROW = {
    "plain, a row at a time": lambda: Plain(block=1),
    "static, a row at a time": lambda: Static(block=1),
    "compiled, the narrowest tiles": lambda: Compiled(tile=1),  # 512 items
}


# `fused` has tests of its own: on a CPU its kernels are slow
@pytest.fixture(params=[name for name in ENGINES | NARROW if name != "fused"], autouse=True)
def engine(request: pytest.FixtureRequest) -> Iterator[Plain]:
    """Engines, with little in memory at once, too."""
    with using((ENGINES | NARROW)[request.param]()) as found:
        yield found


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        # scores 4, 2, 2, 2, 1: of the three that tie, ranks 2 to 4
        ("standard", [1, 2, 2, 2, 5]),
        ("conservative", [1, 4, 4, 4, 5]),
        ("median", [1, 3, 3, 3, 5]),
    ],
)
def test_rank_of_every_item(mode: str, expected: list[float]) -> None:
    ranks, ties = rank(constant([4, 2, 2, 2, 1.0]), torch.zeros(5, 1), torch.arange(5), mode)

    assert ranks.tolist() == expected
    assert ranks.dtype == np.float64
    assert ties.tolist() == [0, 2, 2, 2, 0]


def test_median_can_lie_between_two_ranks() -> None:
    # standard + ½·(ties with other items) = 1 + 1/2
    ranks, _ = rank(constant([1, 1, 0.0]), torch.zeros(1, 1), torch.tensor([0]), "median")

    assert ranks == [3 / 2]


@pytest.mark.parametrize("mode", MODES)
def test_no_rows_have_no_ranks(mode: str) -> None:
    empty = torch.zeros(0, dtype=torch.int64)

    ranks, ties = rank(constant([1.0]), torch.zeros(0, 1), empty, mode)

    assert ranks.shape == ties.shape == (0,)


def test_a_target_whose_score_is_no_number_is_behind_all() -> None:
    network = constant([2.0, float("nan"), 1.0])

    ranks, ties = rank(network, torch.zeros(1, 1), torch.tensor([1]), "conservative")

    assert (ranks.tolist(), ties.tolist()) == ([3], [0])


def random_network(n_items: int, units: int) -> tuple[Network, Tensor]:
    """A network of which the last third of the items are copies of the first, and targets."""
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(n_items, units, generator=generator)
    bias = torch.randn(n_items, generator=generator)
    third = n_items // 3
    output[-third:], bias[-third:] = output[:third], bias[:third]
    network = Network(Architecture((units,), 0, shared=True), {"output": output, "bias": bias}, {})
    return network, torch.randint(0, n_items, (50,), generator=generator)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("n_items", [30, 1700])
def test_copies_tie_wherever_they_are(n_items: int, mode: str) -> None:
    network, targets = random_network(n_items, units=9)
    states = torch.randn(50, 9, generator=torch.Generator().manual_seed(2))
    scores = states.double() @ network.tables["output"].double().T + network.tables["bias"]
    own = scores.gather(1, targets[:, None])
    # copies are equal to the last bit in 64 bits too
    higher, equal = (scores > own + 1e-9).sum(dim=1), ((scores - own).abs() <= 1e-9).sum(dim=1)
    share = {"standard": 0.0, "median": 0.5, "conservative": 1.0}[mode]
    expected = 1 + higher + share * (equal - 1)

    ranks, ties = rank(network, states, targets, mode)

    assert ranks.tolist() == expected.tolist()
    assert ties.tolist() == (equal - 1).tolist()
    assert ties.max() > 0


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize(("n_items", "units"), [(30, 1), (40_000, 9), (900, 600)])
def test_few_states_are_ranked_as_among_others(n_items: int, units: int) -> None:
    network, targets = random_network(n_items, units)
    states = torch.randn(50, units, generator=torch.Generator().manual_seed(2))
    many = by_row(top_k(network, states, 20))
    together, _ = rank(network, states, targets, "median")

    for n in (1, 2, 4, 5, 7, 8, 9, 16):
        few = slice(n, 2 * n)
        ranks, _ = rank(network, states[few], targets[few], "median")
        # of many items two may be so near that they change places
        assert abs(ranks - together[few]).max() <= (1 if n_items > 1000 else 0)
        found = by_row(top_k(network, states[few], 20))
        for (_, scores), (_, expected) in zip(found, many[few], strict=True):
            np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_states_of_another_width_are_refused() -> None:
    network, _ = random_network(n_items=30, units=9)

    for n in (1, 2, 50):
        with pytest.raises(RuntimeError, match=r"size|shape"):
            top_k(network, torch.zeros(n, 11), 20)


def test_a_target_that_rounds_differently_alone_is_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network, targets = random_network(30, units=9)
    states = torch.randn(50, 9, generator=torch.Generator().manual_seed(2))
    expected = rank(network, states, targets, "median")
    right = compiled_ranking.own_scores
    monkeypatch.setattr(compiled_ranking, "own_scores", lambda *given: right(*given) + 1e-6)

    found = rank(network, states, targets, "median")

    assert [part.tolist() for part in found] == [part.tolist() for part in expected]


@pytest.mark.parametrize("mode", MODES)
def test_blocks_change_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    # whole numbers, so that products are exact and ties are plenty
    output = torch.randint(-2, 3, (30, 4), generator=generator).tolist()
    network = network_of([[float(x) for x in row] for row in output], [0.0] * 30)
    states = torch.randint(-2, 3, (25, 4), generator=generator).float()
    targets = torch.randint(0, 30, (25,), generator=generator)
    seen = [[target] for target in targets.tolist()]

    def all_results() -> list[list[list[float]]]:
        ranked = rank(network, states, targets, mode)
        best = [[i.tolist() for i, _ in by_row(top_k(network, states, 5, s))] for s in (None, seen)]
        return [[part.tolist() for part in ranked], *best]

    expected = all_results()

    monkeypatch.setattr(network.engine, "block_rows", 3)
    assert all_results() == expected


@given(
    scores=st.lists(st.integers(-3, 3), min_size=1, max_size=700),
    k=st.integers(1, 40),
    seen=st.lists(st.integers(0, 699), max_size=20),
)
def test_top_k_is_the_beginning_of_the_sorted_items(
    scores: list[int], k: int, seen: list[int]
) -> None:
    seen = [item for item in seen if item < len(scores)]
    wanted = sorted((-score, item) for item, score in enumerate(scores) if item not in seen)[:k]
    network = constant([float(score) for score in scores])

    [(items, values)] = by_row(top_k(network, torch.zeros(1, 1), k, [seen]))

    assert [(-value, item) for item, value in zip(items, values, strict=True)] == wanted


def test_top_k_is_best_first() -> None:
    [(items, scores)] = by_row(top_k(constant([1.0, 4.0, 2.0, 3.0]), torch.zeros(1, 1), 3))

    assert items.tolist() == [1, 3, 2]
    assert scores.tolist() == [4, 3, 2]


@pytest.mark.parametrize("n_items", [20, 5000])
def test_top_k_takes_equal_scores_by_index(n_items: int) -> None:
    bias = [0.0] * n_items
    bias[17] = 1.0

    [(items, scores)] = by_row(top_k(constant(bias), torch.zeros(1, 1), 5))

    assert items.tolist() == [17, 0, 1, 2, 3]
    assert scores.tolist() == [1, 0, 0, 0, 0]


def test_top_k_leaves_out_what_a_row_has_seen() -> None:
    network = constant([5.0, 4.0, 3.0, 2.0])

    rows = by_row(top_k(network, torch.zeros(3, 1), 2, [[0, 2, 0], [], [0, 1, 2, 3]]))

    assert [items.tolist() for items, _ in rows] == [[1, 3], [0, 1], []]


@pytest.mark.parametrize("k", [1, 3, 5])
def test_infinity_comes_first_and_what_is_no_number_never(k: int) -> None:
    network = constant([1.0, float("nan"), float("inf"), 2.0, float("-inf")])

    [(items, _)] = by_row(top_k(network, torch.zeros(1, 1), k))

    assert items.tolist() == [2, 3, 0][:k]


@pytest.mark.parametrize(("seen", "expected"), [(None, [0, 1, 2]), ([[1]], [0, 2])])
def test_top_k_gives_what_there_is(seen: list[list[int]] | None, expected: list[int]) -> None:
    [(items, _)] = by_row(top_k(constant([3.0, 2.0, 1.0]), torch.zeros(1, 1), 10, seen))

    assert items.tolist() == expected


@given(
    scores=st.lists(st.integers(-3, 3), min_size=2, max_size=700),
    seen=st.sets(st.integers(0, 699), max_size=20),
    data=st.data(),
)
def test_seen_items_are_as_if_they_were_not_there(
    scores: list[int], seen: set[int], data: st.DataObject
) -> None:
    target = data.draw(st.integers(0, len(scores) - 1))
    left_out = sorted(item for item in seen if item < len(scores) and item != target)
    kept = [score for item, score in enumerate(scores) if item not in left_out]
    own = scores[target]
    states, targets = torch.zeros(2, 1), torch.tensor([target, target])

    # the other row leaves out nothing
    network = constant([float(score) for score in scores])
    ranks, ties = rank(network, states, targets, "standard", [left_out, []])

    assert ranks.tolist() == [1 + sum(s > own for s in of) for of in (kept, scores)]
    assert ties.tolist() == [sum(s == own for s in of) - 1 for of in (kept, scores)]


def test_a_target_that_is_no_number_is_behind_all_that_was_not_seen() -> None:
    network = constant([2.0, float("nan"), 1.0, 0.0])

    ranks, _ = rank(network, torch.zeros(1, 1), torch.tensor([1]), "conservative", [[0, 3]])

    assert ranks.tolist() == [2]
