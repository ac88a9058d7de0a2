"""GRU cells in compiled loops: all of a training step between its matrix products, and one session.

In a training step a unit of work is a unit of the layer, so the number of threads changes nothing.
"""

from typing import Annotated, Any

import numpy as np

from gru4rec.compute.compiled.arithmetic import ONE, ZERO, dot, row_function, sigmoid, tanh
from gru4rec.compute.compiled.arrays import Floats, Ints
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.loops import loop


@row_function
def gru_units(
    gates: Floats,
    recurrent: Floats,
    bias_ih: Floats,
    bias_hh: Floats,
    h: Floats,
    out: Floats,
    begin: int,
    end: int,
) -> None:
    """Some units of the common GRU cell, given its two products; see `cells.gru`.

    Args:
        gates: Product of the input, shape (3, units, n); becomes r, z and the candidate.
        recurrent: Product of the state, shape (3, units, n); its last third gets its bias.
        bias_ih: Shape (3, units).
        bias_hh: Shape (3, units).
        h: Shape (n, units).
        out: New state, shape (n, units); is filled.
        begin: First unit.
        end: The one after the last.
    """
    for j in range(begin, end):
        for gate in range(2):
            values, of_state = gates[gate, j], recurrent[gate, j]
            bias = bias_ih[gate, j] + bias_hh[gate, j]
            for i in range(len(values)):
                values[i] = sigmoid(values[i] + of_state[i] + bias)
        r, candidate, of_state = gates[0, j], gates[2, j], recurrent[2, j]
        for i in range(len(r)):
            h_n = of_state[i] + bias_hh[2, j]
            of_state[i] = h_n
            x = candidate[i] + bias_ih[2, j] + r[i] * h_n
            candidate[i] = tanh(x)
    z, candidate = gates[1], gates[2]
    for i in range(len(h)):
        for j in range(begin, end):
            out[i, j] = candidate[j, i] + z[j, i] * (h[i, j] - candidate[j, i])


@row_function
def gru_gradient_units(
    gradient: Floats,
    gates: Floats,
    recurrent: Floats,
    h: Floats,
    by_bias_ih: Floats,
    by_bias_hh: Floats,
    begin: int,
    end: int,
) -> None:
    """Turns what `gru_units` left into the gradients by its two products, in place.

    Args:
        gradient: By the new state, shape (units, n).
        gates: r, z and the candidate, shape (3, units, n).
        recurrent: Its last third is the state's share of the candidate, shape (3, units, n).
        h: The old state, shape (n, units).
        by_bias_ih: Gradient by this bias, shape (3, units); is filled.
        by_bias_hh: Gradient by this bias, shape (3, units); is filled.
        begin: First unit.
        end: The one after the last.
    """
    # the middle third is free: it takes the state, which lies the other way round
    for i in range(len(h)):
        for j in range(begin, end):
            recurrent[1, j, i] = h[i, j]
    for j in range(begin, end):
        of_r, of_z, of_candidate = gates[0, j], gates[1, j], gates[2, j]
        r_of_h, z_of_h, n_of_h = recurrent[0, j], recurrent[1, j], recurrent[2, j]
        by_out = gradient[j]
        sum_r, sum_z, sum_n, sum_n_of_h = ZERO, ZERO, ZERO, ZERO
        for i in range(len(of_r)):
            r, z, candidate = of_r[i], of_z[i], of_candidate[i]
            by_n = by_out[i] * (ONE - z) * (ONE - candidate * candidate)
            by_r = by_n * n_of_h[i] * r * (ONE - r)
            by_z = by_out[i] * (z_of_h[i] - candidate) * z * (ONE - z)
            of_r[i], r_of_h[i] = by_r, by_r
            of_z[i], z_of_h[i] = by_z, by_z
            of_candidate[i], n_of_h[i] = by_n, by_n * r
            sum_r += by_r
            sum_z += by_z
            sum_n += by_n
            sum_n_of_h += by_n * r
        by_bias_ih[0, j], by_bias_ih[1, j], by_bias_ih[2, j] = sum_r, sum_z, sum_n
        by_bias_hh[0, j], by_bias_hh[1, j], by_bias_hh[2, j] = sum_r, sum_z, sum_n_of_h


@loop
def gru(
    begin: int,
    end: int,
    gates: Annotated[Floats, 3, "n", "rows"],
    recurrent: Annotated[Floats, 3, "n", "rows"],
    bias_ih: Annotated[Floats, 3, "n"],
    bias_hh: Annotated[Floats, 3, "n"],
    h: Annotated[Floats, "rows", "n"],
    out: Annotated[Floats, "rows", "n"],
    rows: int,  # noqa: ARG001  (of the batch)
) -> None:
    """Runs `gru_units` for all units."""
    gru_units(gates, recurrent, bias_ih, bias_hh, h, out, begin, end)


@loop
def gru_gradient(
    begin: int,
    end: int,
    gradient: Annotated[Floats, "n", "rows"],
    gates: Annotated[Floats, 3, "n", "rows"],
    recurrent: Annotated[Floats, 3, "n", "rows"],
    h: Annotated[Floats, "rows", "n"],
    by_bias_ih: Annotated[Floats, 3, "n"],
    by_bias_hh: Annotated[Floats, 3, "n"],
    rows: int,  # noqa: ARG001  (of the batch)
) -> None:
    """Runs `gru_gradient_units` for all units."""
    gru_gradient_units(gradient, gates, recurrent, h, by_bias_ih, by_bias_hh, begin, end)


@compiled()
def gru_of_one(
    x: Floats,
    h: Floats,
    weight_ih: Floats,
    weight_hh: Floats,
    bias_ih: Floats,
    bias_hh: Floats,
    out: Floats,
) -> None:
    """Fills in the new state of one session, shape (units,); see `cells.gru`."""
    units = len(h)
    of_x, of_h = np.empty(3 * units, np.float32), np.empty(3 * units, np.float32)
    for j in range(3 * units):
        of_x[j] = dot(weight_ih[j], x) + bias_ih[j]
        of_h[j] = dot(weight_hh[j], h) + bias_hh[j]
    for j in range(units):
        r = sigmoid(of_x[j] + of_h[j])
        z = sigmoid(of_x[units + j] + of_h[units + j])
        candidate = tanh(of_x[2 * units + j] + r * of_h[2 * units + j])
        out[j] = candidate + z * (h[j] - candidate)


@row_function
def add_row(sums: Floats, row: Floats, factor: Any) -> None:
    """Adds a multiple of a row to sums."""
    for j in range(len(sums)):
        sums[j] += factor * row[j]


@compiled()
def original_gru_of_one(
    x: Floats, h: Floats, weight_rz: Floats, weight_h: Floats, bias: Floats, out: Floats
) -> None:
    """Fills in the new state of one session, shape (units,); see `cells.original_gru`."""
    units = len(h)
    sums = x + bias
    for i in range(units):
        add_row(sums[units:], weight_rz[i], h[i])
    for i in range(units):
        add_row(sums[:units], weight_h[i], sigmoid(sums[units + i]) * h[i])
    for j in range(units):
        z, candidate = sigmoid(sums[2 * units + j]), tanh(sums[j])
        out[j] = h[j] + z * (candidate - h[j])


@loop
def read_by_gru(
    begin: int,
    end: int,
    table: Annotated[Floats, "n_rows", "width"],
    rows: Annotated[Ints, "n_steps"],
    ends: Annotated[Ints, "n"],
    hidden: Annotated[Floats, "n", "units"],
    outputs: Annotated[Floats, "n_steps", "units"],
    weight_ih: Annotated[Floats, "gates", "width"],
    weight_hh: Annotated[Floats, "gates", "units"],
    bias_ih: Annotated[Floats, "gates"],
    bias_hh: Annotated[Floats, "gates"],
    n_rows: int,  # noqa: ARG001
    n_steps: int,  # noqa: ARG001
    width: int,  # noqa: ARG001
    units: int,  # noqa: ARG001
    gates: int,  # noqa: ARG001
) -> None:
    """Advances each session by its rows of the table, one after the other, by `gru_of_one`.

    Args:
        begin: First session.
        end: The one after the last.
        table: Input rows.
        rows: Which of them, session after session.
        ends: Where those of each session end.
        hidden: State of each session; becomes the new one.
        outputs: Receives the state after each step.
        weight_ih: See `cells.gru`; so are the next three.
    """
    for i in range(begin, end):
        for step in range(ends[i - 1] if i > 0 else 0, ends[i]):
            gru_of_one(
                table[rows[step]], hidden[i], weight_ih, weight_hh, bias_ih, bias_hh, outputs[step]
            )
            hidden[i] = outputs[step]


@loop
def read_by_original_gru(
    begin: int,
    end: int,
    table: Annotated[Floats, "n_rows", "width"],
    rows: Annotated[Ints, "n_steps"],
    ends: Annotated[Ints, "n"],
    hidden: Annotated[Floats, "n", "units"],
    outputs: Annotated[Floats, "n_steps", "units"],
    weight_rz: Annotated[Floats, "units", 2, "units"],
    weight_h: Annotated[Floats, "units", "units"],
    bias: Annotated[Floats, "gates"],
    n_rows: int,  # noqa: ARG001
    n_steps: int,  # noqa: ARG001
    width: int,  # noqa: ARG001
    units: int,
    gates: int,  # noqa: ARG001
) -> None:
    """Does what `read_by_gru` does, by `original_gru_of_one`."""
    of_gates = weight_rz.reshape(units, 2 * units)
    for i in range(begin, end):
        for step in range(ends[i - 1] if i > 0 else 0, ends[i]):
            original_gru_of_one(
                table[rows[step]], hidden[i], of_gates, weight_h, bias, outputs[step]
            )
            hidden[i] = outputs[step]
