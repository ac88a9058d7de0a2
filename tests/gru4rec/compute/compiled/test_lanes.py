"""Products of rows with eight states at once."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.lanes import LANES, ROWS, multiply_rows


@compiled()
def multiply(
    rows: npt.NDArray[np.float32],
    first: int,
    states: npt.NDArray[np.float32],
    sums: npt.NDArray[np.float32],
) -> None:
    multiply_rows(rows, first, len(rows) - 1, states, sums)


@given(n=st.integers(1, 30), width=st.integers(1, 70), data=st.data())
def test_sums_are_the_products_of_rows_from_one_on(n: int, width: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, n - 1))
    generator = np.random.default_rng(width)
    rows, states = (
        generator.integers(-9, 10, shape).astype(np.float32)
        for shape in ((n, width), (width, LANES))
    )
    sums = np.full((LANES, ROWS), np.nan, np.float32)

    multiply(rows, first, states, sums)

    taken = np.minimum(np.arange(first, first + ROWS), n - 1)
    np.testing.assert_array_equal(sums, (rows[taken] @ states).T)


@pytest.mark.parametrize("begin", [0, 1, 3])
def test_arrays_begin_anywhere(begin: int) -> None:
    memory = np.arange(500, dtype=np.float32) % 7
    rows, states = memory[begin : begin + 30].reshape(6, 5), memory[50 + begin :][:40]
    sums = np.empty(100, np.float32)[begin : begin + 64].reshape(LANES, ROWS)

    multiply(rows, 0, states.reshape(5, LANES), sums)

    np.testing.assert_array_equal(sums[:, :6], (rows @ states.reshape(5, LANES)).T)


def test_what_is_no_number_stays_in_its_lane() -> None:
    rows, states = np.ones((8, 3), np.float32), np.ones((3, LANES), np.float32)
    rows[2, 1], states[0, 5] = np.inf, np.nan
    sums = np.empty((LANES, ROWS), np.float32)

    multiply(rows, 0, states, sums)

    assert np.isnan(sums[5]).all()
    others = np.delete(sums, 5, axis=0)
    assert np.isinf(others[:, 2]).all()
    assert (np.delete(others, 2, axis=1) == 3).all()
