"""The compiled loops of the optimiser: Adagrad with momentum on rows, and on whole tensors.

A unit of work is a row of a table, or a portion of a tensor; the number of threads changes nothing.
"""

from typing import Annotated, Any

import numpy as np

from gru4rec.compute.compiled.addresses import floats, prefetch
from gru4rec.compute.compiled.arithmetic import ZERO, inlined, row_function
from gru4rec.compute.compiled.arrays import Floats, Ints
from gru4rec.compute.compiled.loops import OPTIONAL, loop

# rows of a table are asked for so many rows before they are used: they are far apart in memory
_AHEAD = 128

# numbers of a tensor that make a unit of work
PORTION = 4096


@row_function
def adagrad_row(row: Floats, accumulators: Floats, gradient: Floats, rate: Any, eps: Any) -> None:
    """Updates a row by its gradient; see `optimizer.Adagrad`."""
    for j in range(len(row)):
        accumulator = accumulators[j] + gradient[j] * gradient[j]
        accumulators[j] = accumulator
        row[j] -= rate * gradient[j] / np.sqrt(accumulator + eps)


@row_function
def momentum_row(
    row: Floats,
    accumulators: Floats,
    velocities: Floats,
    gradient: Floats,
    rate: Any,
    eps: Any,
    momentum: Any,
) -> None:
    """`adagrad_row` with momentum."""
    for j in range(len(row)):
        accumulator = accumulators[j] + gradient[j] * gradient[j]
        accumulators[j] = accumulator
        velocity = momentum * velocities[j] - rate * gradient[j] / np.sqrt(accumulator + eps)
        velocities[j] = velocity
        row[j] += velocity


@inlined
def update_row(
    row: Any, accumulators: Any, velocities: Any, gradient: Any, rate: Any, eps: Any, momentum: Any
) -> None:
    """Updates a row with momentum, or without: then there are no velocities to read."""
    if momentum == ZERO:
        adagrad_row(row, accumulators, gradient, rate, eps)
    else:
        momentum_row(row, accumulators, velocities, gradient, rate, eps, momentum)


@loop
def adagrad(
    begin: int,
    end: int,
    table: Annotated[Floats, "n_rows", "width"],
    accumulators: Annotated[Floats, "n_rows", "width"],
    velocities: Annotated[Floats, OPTIONAL, "n_rows", "width"],
    biases: Annotated[Floats, OPTIONAL, "n_rows", 1],
    bias_accumulators: Annotated[Floats, OPTIONAL, "n_rows", 1],
    bias_velocities: Annotated[Floats, OPTIONAL, "n_rows", 1],
    rows: Annotated[Ints, "n"],
    late: Annotated[Ints, "n"],
    gradient: Annotated[Floats, "n", "stride"],
    n_rows: int,  # noqa: ARG001  (of the table)
    width: int,
    stride: int,  # noqa: ARG001  (of the gradient)
    n_biases: int,
    turn: int,
    rate: float,
    epsilon: float,
    momentum: float,
) -> None:
    """Updates distinct rows of a table by their gradients.

    The first `n_biases` of them have a bias too, whose gradient follows that of the row. It is the
    turn of those that are said to be late, or of the others. Without momentum there are no
    velocities.
    """
    for i in range(begin - _AHEAD, end):
        soon = i + _AHEAD
        if soon < end and late[soon] == turn:
            k = rows[soon]
            prefetch(table, k)
            prefetch(accumulators, k)
            if momentum != ZERO:
                prefetch(velocities, k)
            if soon < n_biases:
                prefetch(biases, k)
                prefetch(bias_accumulators, k)
                if momentum != ZERO:
                    prefetch(bias_velocities, k)
        if i < begin or late[i] != turn:
            continue
        k, of_row = rows[i], gradient[i, :width]
        update_row(table[k], accumulators[k], velocities[k], of_row, rate, epsilon, momentum)
        if i < n_biases:
            bias, its, velocity = biases[k], bias_accumulators[k], bias_velocities[k]
            of_bias = gradient[i, width : width + 1]
            update_row(bias, its, velocity, of_bias, rate, epsilon, momentum)


@loop
def adagrad_dense(
    begin: int,
    end: int,
    tensors: Annotated[Ints, "n_tensors", 6],
    n_tensors: int,
    rate: float,
    epsilon: float,
    momentum: float,
) -> None:
    """Updates whole tensors.

    `tensors` has a row for each: its first unit of work, how many numbers it has, and the addresses
    of weights, accumulators, velocities and gradient.
    """
    for unit in range(begin, end):
        t = n_tensors - 1
        while tensors[t, 0] > unit:
            t -= 1
        first = (unit - tensors[t, 0]) * PORTION
        n, offset = min(tensors[t, 1] - first, PORTION), 4 * first
        weights, its = floats(tensors[t, 2] + offset, n), floats(tensors[t, 3] + offset, n)
        velocities = floats(tensors[t, 4] + offset, n)
        gradient = floats(tensors[t, 5] + offset, n)
        update_row(weights, its, velocities, gradient, rate, epsilon, momentum)
