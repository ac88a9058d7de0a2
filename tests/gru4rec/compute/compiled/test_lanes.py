"""Products of rows with several states at once."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.lanes import (
    LANES,
    ROWS,
    multiply_pairs,
    multiply_pairs_twice,
    multiply_rows,
    multiply_rows_twice,
)


@compiled()
def multiply(
    rows: npt.NDArray[np.float32],
    first: int,
    states: npt.NDArray[np.float32],
    group: int,
    at_once: int,
    out: npt.NDArray[np.float32],
) -> None:
    if rows.shape[1] == states.shape[1]:
        if at_once == 1:
            multiply_rows(rows, first, states, group, out)
        else:
            multiply_rows_twice(rows, first, states, group, out)
    elif at_once == 1:
        multiply_pairs(rows, first, states, group, out)
    else:
        multiply_pairs_twice(rows, first, states, group, out)


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("at_once", [1, 2])
@given(
    n=st.integers(ROWS, 30),
    steps=st.integers(1, 70),
    more=st.integers(1, 3 * LANES),
    data=st.data(),
)
def test_products_are_put_in_their_places(
    units: int, at_once: int, n: int, steps: int, more: int, data: st.DataObject
) -> None:
    width, size = units * steps, LANES // units
    n_states = (at_once - 1) * size + more
    n_groups = -(-n_states // size)
    first = data.draw(st.integers(0, n - ROWS))
    group = data.draw(st.integers(0, n_groups - at_once))
    generator = np.random.default_rng(width)
    rows, states = (
        generator.integers(-9, 10, shape).astype(np.float32)
        for shape in ((n, width), (n_groups, size, width))
    )
    out = np.full((n_states, n), np.nan, np.float32)

    multiply(rows, first, lanes(states, units), group, at_once, out)

    expected = np.full((n_groups * size, n), np.nan, np.float32)
    those = slice(first, first + ROWS)
    for number in range(group, group + at_once):
        expected[number * size : (number + 1) * size, those] = states[number] @ rows[those].T
    np.testing.assert_array_equal(out, expected[:n_states])


def lanes(states: npt.NDArray[np.float32], units: int) -> npt.NDArray[np.float32]:
    """Groups of states (groups, states, width) as the loops take them."""
    n_groups, size, width = states.shape
    pieces = states.reshape(n_groups, size, width // units, units)
    return np.ascontiguousarray(pieces.transpose(0, 2, 1, 3)).reshape(n_groups, -1, LANES)


@pytest.mark.parametrize("units", [1, 2])
@pytest.mark.parametrize("begin", [0, 1, 3])
def test_arrays_begin_anywhere(begin: int, units: int) -> None:
    memory = np.arange(500, dtype=np.float32) % 7
    rows, states = memory[begin : begin + 48].reshape(8, 6), memory[50 + begin :][:48]
    size = LANES // units
    out = np.empty(100, np.float32)[begin : begin + size * ROWS].reshape(size, ROWS)
    steps = 6 // units

    multiply(rows, 0, states[: steps * LANES].reshape(1, steps, LANES), 0, 1, out)

    expected = np.zeros((size, ROWS))
    for unit in range(units):
        of_unit = states[: steps * LANES].reshape(steps, size, units)[:, :, unit]
        expected += (rows[:, unit::units] @ of_unit).T
    np.testing.assert_array_equal(out, expected)
