import numpy as np
import pytest
import torch

from gru4rec import ranking
from gru4rec.network import Architecture, Network
from gru4rec.ranking import rank, rows_at_a_time, score, top_k


def network_of(output: list[list[float]], bias: list[float]) -> Network:
    tables = {"output": torch.tensor(output), "bias": torch.tensor(bias)}
    return Network(Architecture((len(output[0]),), 0, shared=True), tables, {})


def constant(bias: list[float]) -> Network:
    """Scores are the biases, whatever the state."""
    return network_of([[0.0]] * len(bias), bias)


def test_score_is_the_product_with_the_output_embedding_plus_bias() -> None:
    network = network_of([[1.0, 2.0], [0.0, -1.0], [3.0, 0.0]], [0.5, 0.25, 0.0])

    scores = score(network, torch.tensor([[1.0, 1.0], [2.0, 0.0]]))

    assert scores.tolist() == [[3.5, -0.75, 3.0], [2.5, 0.25, 6.0]]


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
    ranks = rank(constant([4, 2, 2, 2, 1.0]), torch.zeros(5, 1), torch.arange(5), mode)

    assert ranks.tolist() == expected
    assert ranks.dtype == np.float64


def test_median_can_lie_between_two_ranks() -> None:
    # standard + ½·(ties with other items) = 1 + 1/2
    assert rank(constant([1, 1, 0.0]), torch.zeros(1, 1), torch.tensor([0]), "median") == [3 / 2]


@pytest.mark.parametrize("mode", ["standard", "conservative", "median"])
def test_no_rows_have_no_ranks(mode: str) -> None:
    empty = torch.zeros(0, dtype=torch.int64)

    assert rank(constant([1.0]), torch.zeros(0, 1), empty, mode).shape == (0,)


@pytest.mark.parametrize("mode", ["standard", "conservative", "median"])
def test_blocks_change_nothing(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(1)
    # whole numbers, so that products are exact and ties are plenty
    output = torch.randint(-2, 3, (30, 4), generator=generator).tolist()
    network = network_of([[float(x) for x in row] for row in output], [0.0] * 30)
    states = torch.randint(-2, 3, (25, 4), generator=generator).float()
    targets = torch.randint(0, 30, (25,), generator=generator)
    expected = rank(network, states, targets, mode)
    best = [items.tolist() for items, _ in top_k(network, states, 5)]
    seen = [[target] for target in targets.tolist()]
    best_unseen = [items.tolist() for items, _ in top_k(network, states, 5, seen)]

    monkeypatch.setattr(ranking, "_BLOCK_BYTES", 4 * 30 * 3)

    assert rows_at_a_time(30) == 3
    assert rank(network, states, targets, mode).tolist() == expected.tolist()
    assert [items.tolist() for items, _ in top_k(network, states, 5)] == best
    assert [items.tolist() for items, _ in top_k(network, states, 5, seen)] == best_unseen


def test_at_least_one_row_is_scored_at_a_time() -> None:
    assert rows_at_a_time(10**9) == 1


def test_top_k_is_best_first() -> None:
    [(items, scores)] = top_k(constant([1.0, 4.0, 2.0, 3.0]), torch.zeros(1, 1), 3)

    assert items.tolist() == [1, 3, 2]
    assert scores.tolist() == [4, 3, 2]


@pytest.mark.parametrize("n_items", [20, 5000])
def test_top_k_takes_equal_scores_by_index(n_items: int) -> None:
    bias = [0.0] * n_items
    bias[17] = 1.0

    [(items, scores)] = top_k(constant(bias), torch.zeros(1, 1), 5)

    assert items.tolist() == [17, 0, 1, 2, 3]
    assert scores.tolist() == [1, 0, 0, 0, 0]


def test_top_k_leaves_out_what_a_row_has_seen() -> None:
    network = constant([5.0, 4.0, 3.0, 2.0])

    rows = list(top_k(network, torch.zeros(3, 1), 2, [[0, 2, 0], [], [0, 1, 2, 3]]))

    assert [items.tolist() for items, _ in rows] == [[1, 3], [0, 1], []]


@pytest.mark.parametrize(("seen", "expected"), [(None, [0, 1, 2]), ([[1]], [0, 2])])
def test_top_k_gives_what_there_is(seen: list[list[int]] | None, expected: list[int]) -> None:
    [(items, _)] = top_k(constant([3.0, 2.0, 1.0]), torch.zeros(1, 1), 10, seen)

    assert items.tolist() == expected
