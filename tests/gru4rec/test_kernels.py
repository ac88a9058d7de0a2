import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.kernels import fill_mask, forget_numbers, number_distinct, zero_rows


@given(
    first=st.lists(st.integers(0, 9), max_size=20), second=st.lists(st.integers(0, 9), max_size=20)
)
def test_distinct_items_are_numbered_as_they_come(first: list[int], second: list[int]) -> None:
    numbers, rows = np.full(10, -1), np.empty(10, dtype=np.int64)
    places = np.empty(40, dtype=np.int64)
    n = number_distinct(np.array(first, dtype=np.int64), 0, numbers, rows, places)
    n = number_distinct(np.array(second, dtype=np.int64), n, numbers, rows, places[len(first) :])

    both = first + second
    assert rows[:n].tolist() == list(dict.fromkeys(both))
    assert rows[places[: len(both)]].tolist() == both
    forget_numbers(numbers, rows, n)
    assert (numbers == -1).all()


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
