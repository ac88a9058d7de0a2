import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.compute.compiled import row_kernels
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.compiled.row_kernels import (
    fill_mask,
    list_candidates,
    number_distinct,
    zero_rows,
)

ITEMS = st.one_of(st.integers(0, 9), st.integers(0, 2**40 - 1))


def array(values: list[int]) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def room_for(n: int) -> tuple[np.ndarray, np.ndarray]:
    """A hash table and a list, neither of them clean."""
    return np.full(1 << (2 * n).bit_length(), 3), np.full(n, 5)


@given(first=st.lists(ITEMS, max_size=20), second=st.lists(ITEMS, max_size=20))
def test_distinct_items_are_numbered_as_they_come(first: list[int], second: list[int]) -> None:
    slots, rows = room_for(40)
    places = np.empty(40, dtype=np.int64)
    slots.fill(-1)
    n = number_distinct(array(first), 2**40, 0, slots, rows, places)
    n = number_distinct(array(second), 2**40, n, slots, rows, places[len(first) :])

    both = first + second
    assert rows[:n].tolist() == list(dict.fromkeys(both))
    assert rows[places[: len(both)]].tolist() == both


@given(targets=st.lists(ITEMS, min_size=1, max_size=20), draws=st.lists(ITEMS, max_size=20))
def test_candidates_are_counted(targets: list[int], draws: list[int]) -> None:
    slots, rows = room_for(40)
    places, of_targets, of_draws = np.full((3, 40), 7)

    n = list_candidates(
        array(targets), array(draws), 2**40, slots, rows, places, of_targets, of_draws
    )

    both = targets + draws
    assert rows[:n].tolist() == list(dict.fromkeys(both))
    assert rows[places[: len(both)]].tolist() == both
    assert of_targets[:n].tolist() == [targets.count(item) for item in rows[:n]]
    assert of_draws[:n].tolist() == [draws.count(item) for item in rows[:n]]


@pytest.mark.parametrize("item", [-1, 10])
def test_an_item_outside_the_catalogue_is_an_error(item: int) -> None:
    slots, rows = room_for(2)
    slots.fill(-1)

    with pytest.raises(IndexError, match="outside the catalogue"):
        number_distinct(array([3, item]), 10, 0, slots, rows, np.empty(2, np.int64))


def test_zero_rows() -> None:
    values = np.ones((3, 2), dtype=np.float32)

    zero_rows(values, np.array([True, False, True]))

    assert values.tolist() == [[0, 0], [1, 1], [0, 0]]


def mask(shape: tuple[int, int], key: int, probability: float) -> np.ndarray:
    values = np.full(shape, np.nan, dtype=np.float32)
    fill_mask(values, key, probability)
    return values


@pytest.mark.parametrize("probability", [0.05, 0.25, 0.5])
def test_a_mask_drops_with_its_probability_and_keeps_the_mean(probability: float) -> None:
    values = mask((1000, 999), 7, probability)

    kept = np.float32(1 / (1 - probability))
    assert set(np.unique(values)) == {np.float32(0), kept}
    # five standard deviations of a share of 999,000
    bound = 5 * np.sqrt(probability * (1 - probability) / values.size)
    assert np.mean(values == 0) == pytest.approx(probability, abs=bound)
    # neighbours, which share a random number, are independent
    both = np.mean((values.ravel()[:-1:2] == 0) & (values.ravel()[1::2] == 0))
    assert both == pytest.approx(probability**2, abs=1e-2 * probability)


def test_a_mask_follows_from_its_key() -> None:
    assert np.array_equal(mask((5, 3), 1, 0.5), mask((5, 3), 1, 0.5))
    assert not np.array_equal(mask((5, 3), 1, 0.5), mask((5, 3), 2, 0.5))


@pytest.mark.parametrize(("logq", "alpha"), [(0.0, 0.5), (1.0, 0.75), (1.0, 0.0), (300.0, 0.5)])
def test_copies_of_a_candidate_are_weighed_together(logq: float, alpha: float) -> None:
    draw = torch.Generator().manual_seed(2)
    # of the six rows all but the last are candidates
    positives, draws = torch.tensor([0, 0, 1, 2, 1]), torch.tensor([1, 3, 0, 0, 2])
    rows, log_counts = torch.tensor([5, 0, 2, 1, 4, 6]), torch.log(torch.arange(1.0, 8))
    table, biases = torch.randn(7, 3, generator=draw), torch.randn(7, generator=draw)
    out, found = torch.full((6, 5), torch.nan), torch.full((3, 5), torch.nan)

    def gather(logarithms: bool) -> None:
        offsets, copies, shares = found
        loop = Loop(
            row_kernels.gather,
            grain=2,
            table=table,
            out=out,
            biases=biases,
            log_counts=log_counts,
            positives=positives,
            draws=draws,
            offsets=offsets,
            copies=copies,
            shares=shares,
            n_rows=7,
            width=3,
            stride=5,
            logarithms=logarithms,
            positive_logq=logq,
            negative_logq=logq * alpha,
        )
        loop(6, rows=rows, n_candidates=5)

    gather(logarithms=True)
    assert torch.equal(out[:, :3], table[rows])
    candidates = rows[:5]
    counts = log_counts[candidates].double()
    of_positive, of_draw = torch.exp(-logq * counts), torch.exp(-logq * alpha * counts)
    weights = positives * of_positive + draws * of_draw
    expected = torch.log(weights) + biases[candidates]
    torch.testing.assert_close(found[0].double(), expected, rtol=1e-5, atol=1e-6)
    assert found[1].tolist() == [1, 3, 1, 2, 3]
    positive = positives > 0
    shares = (of_positive / weights)[positive]
    torch.testing.assert_close(found[2][positive].double(), shares, rtol=1e-5, atol=1e-12)

    gather(logarithms=False)
    assert torch.equal(found[0], biases[candidates])
