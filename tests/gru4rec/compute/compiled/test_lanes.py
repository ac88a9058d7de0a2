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
    group: int,
    out: npt.NDArray[np.float32],
) -> None:
    multiply_rows(rows, first, states, group, out)


@given(
    n=st.integers(ROWS, 30),
    width=st.integers(1, 70),
    n_states=st.integers(1, 3 * LANES),
    data=st.data(),
)
def test_products_are_put_in_their_places(
    n: int, width: int, n_states: int, data: st.DataObject
) -> None:
    n_groups = -(-n_states // LANES)
    first = data.draw(st.integers(0, n - ROWS))
    group = data.draw(st.integers(0, n_groups - 1))
    generator = np.random.default_rng(width)
    rows, states = (
        generator.integers(-9, 10, shape).astype(np.float32)
        for shape in ((n, width), (n_groups, width, LANES))
    )
    out = np.full((n_states, n), np.nan, np.float32)

    multiply(rows, first, states, group, out)

    expected = np.full((n_groups * LANES, n), np.nan, np.float32)
    those = slice(first, first + ROWS)
    expected[group * LANES : (group + 1) * LANES, those] = (rows[those] @ states[group]).T
    np.testing.assert_array_equal(out, expected[:n_states])


@pytest.mark.parametrize("begin", [0, 1, 3])
def test_arrays_begin_anywhere(begin: int) -> None:
    memory = np.arange(500, dtype=np.float32) % 7
    rows, states = memory[begin : begin + 40].reshape(8, 5), memory[50 + begin :][:40]
    out = np.empty(100, np.float32)[begin : begin + 64].reshape(LANES, ROWS)

    multiply(rows, 0, states.reshape(1, 5, LANES), 0, out)

    np.testing.assert_array_equal(out, (rows @ states.reshape(5, LANES)).T)


def test_what_is_no_number_stays_in_its_lane() -> None:
    rows, states = np.ones((8, 3), np.float32), np.ones((1, 3, LANES), np.float32)
    rows[2, 1], states[0, 0, 5] = np.inf, np.nan
    out = np.empty((LANES, ROWS), np.float32)

    multiply(rows, 0, states, 0, out)

    assert np.isnan(out[5]).all()
    others = np.delete(out, 5, axis=0)
    assert np.isinf(others[:, 2]).all()
    assert (np.delete(others, 2, axis=1) == 3).all()
