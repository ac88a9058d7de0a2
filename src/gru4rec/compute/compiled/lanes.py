"""Products of rows with several states at once: vectors across states, which numba does not make.

A vector along a row would have to be added up for each state in the end, which for a hundred units
costs as much as the products.
"""

import functools
import itertools
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from gru4rec.compute.compiled.addresses import ask_for_line

LANES = 8  # numbers of a vector: sums for one row, of eight states or two each of four states
# so many sums are under way at once, as each addition waits for the one before; as many as lanes,
# so that they can change places
ROWS = LANES

AHEAD = 8192  # numbers of a table that are asked for before they are used

_FLOAT, _INT, _INDEX = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)


@intrinsic
def multiply_rows(_: Any, rows: Any, first: Any, states: Any, group: Any, out: Any) -> Any:
    """Multiplies `ROWS` rows of a table with a group of states, all contiguous 32-bit floats.

    It asks for rows that come later, too, in the order in which they are in memory.

    Args:
        rows: The table, shape (at least first + ROWS, width), width ≥ 1.
        first: Index of the first row.
        states: Transposed by groups of eight, shape (n_groups, width, LANES).
        group: Which of them.
        out: Receives the products in the places of states and rows, shape (n_states, n rows);
            what is there of the last group beyond its states is left out.
    """
    return types.void(rows, first, states, group, out), _multiplying(units=1)


@intrinsic
def multiply_pairs(_: Any, rows: Any, first: Any, states: Any, group: Any, out: Any) -> Any:
    """Does what `multiply_rows` does with a group of four, two units of each at a time.

    Args:
        rows: See there; the width is even.
        first: See there.
        states: Transposed by groups of four, pairs of units side by side: shape
            (n_groups, width / 2, LANES).
        group: See there.
        out: See there.
    """
    return types.void(rows, first, states, group, out), _multiplying(units=2)


def _multiplying(units: int) -> Callable[[Any, Any, Any, Any], Any]:
    """What makes the code, which takes so many units of a state in each step."""
    n_states, part = LANES // units, ir.VectorType(_FLOAT, units)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def data(place: int, of: ir.Type) -> Any:
            array = context.make_array(signature.args[place])(context, builder, values[place])
            return builder.bitcast(array.data, of.as_pointer()), cgutils.unpack_tuple(
                builder, array.shape
            )

        _, first, _, group, _ = values
        (table, _), (lanes, (_, steps, _)) = data(0, part), data(2, _VECTOR)
        lanes = builder.gep(lanes, [builder.mul(group, steps)])
        starts = [
            builder.gep(table, [builder.mul(builder.add(first, _INT(number)), steps)])
            for number in range(ROWS)
        ]
        soon = builder.gep(starts[0], [_INT(AHEAD // units)])
        totals = [cgutils.alloca_once_value(builder, _VECTOR([0.0] * LANES)) for _ in starts]
        with cgutils.for_range(builder, steps) as step:
            # row by row, though all are read together: memory is slow where places are far apart
            ask_for_line(builder, builder.gep(soon, [builder.mul(step.index, _INT(ROWS))]))
            lane = _aligned(builder.load(builder.gep(lanes, [step.index])))
            for start, total in zip(starts, totals, strict=True):
                numbers = _aligned(builder.load(builder.gep(start, [step.index])))
                repeated = builder.shuffle_vector(
                    numbers, numbers, _indices([*range(units)] * n_states)
                )
                product = builder.fmul(repeated, lane, flags=["contract"])
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
        sums = iter(_transposed(builder, [*map(builder.load, totals)]))
        to, (n, n_rows) = data(4, _FLOAT)
        for number in range(n_states):
            sum_of_units = functools.reduce(builder.fadd, itertools.islice(sums, units))
            state = builder.add(builder.mul(group, _INT(n_states)), _INT(number))
            with builder.if_then(builder.icmp_signed("<", state, n)):
                place = builder.gep(to, [builder.add(builder.mul(state, n_rows), first)])
                place = builder.bitcast(place, _VECTOR.as_pointer())
                _aligned(builder.store(sum_of_units, place))
        return context.get_dummy_value()

    return generate


def _aligned(access: Any) -> Any:
    access.align = 4  # an array begins at any multiple of a number's size
    return access


def _transposed(builder: Any, vectors: list[Any]) -> list[Any]:
    """Eight vectors, of which the first has the first numbers of those given."""
    for _ in range(3):
        vectors = [
            builder.shuffle_vector(*pair, _indices(halves))
            for pair in zip(vectors[:4], vectors[4:], strict=True)
            for halves in ([0, 8, 1, 9, 2, 10, 3, 11], [4, 12, 5, 13, 6, 14, 7, 15])
        ]
    return vectors


def _indices(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INDEX, LANES), numbers)
