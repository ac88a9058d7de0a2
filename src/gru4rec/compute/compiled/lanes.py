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
    return types.void(rows, first, states, group, out), _multiplying(units=1, n_groups=1)


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
    return types.void(rows, first, states, group, out), _multiplying(units=2, n_groups=1)


@intrinsic
def multiply_rows_twice(_: Any, rows: Any, first: Any, states: Any, group: Any, out: Any) -> Any:
    """Does what `multiply_rows` does with a group and the next one: a row is read once for both."""
    return types.void(rows, first, states, group, out), _multiplying(units=1, n_groups=2)


@intrinsic
def multiply_pairs_twice(_: Any, rows: Any, first: Any, states: Any, group: Any, out: Any) -> Any:
    """Does what `multiply_pairs` does with a group and the next one."""
    return types.void(rows, first, states, group, out), _multiplying(units=2, n_groups=2)


def _multiplying(units: int, n_groups: int) -> Callable[[Any, Any, Any, Any], Any]:
    """What makes the code, which takes so many units of a state in each step."""
    n_states, part = LANES // units, ir.VectorType(_FLOAT, units)
    n_rows_at_once = ROWS // n_groups

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def data(place: int, of: ir.Type) -> Any:
            array = context.make_array(signature.args[place])(context, builder, values[place])
            return builder.bitcast(array.data, of.as_pointer()), cgutils.unpack_tuple(
                builder, array.shape
            )

        _, first, _, group, _ = values
        (table, _), (lanes, (_, steps, _)) = data(0, part), data(2, _VECTOR)
        groups = [
            builder.gep(lanes, [builder.mul(builder.add(group, _INT(number)), steps)])
            for number in range(n_groups)
        ]
        starts = [
            builder.gep(table, [builder.mul(builder.add(first, _INT(number)), steps)])
            for number in range(ROWS)
        ]
        parts = [
            _sums(builder, units, steps, starts[begin : begin + n_rows_at_once], groups)
            for begin in range(0, ROWS, n_rows_at_once)
        ]
        to, (n, n_rows) = data(4, _FLOAT)
        for number, of_group in enumerate(zip(*parts, strict=True)):
            sums = iter(_transposed(builder, [*itertools.chain.from_iterable(of_group)]))
            for lane in range(n_states):
                sum_of_units = functools.reduce(builder.fadd, itertools.islice(sums, units))
                before = builder.mul(builder.add(group, _INT(number)), _INT(n_states))
                state = builder.add(before, _INT(lane))
                with builder.if_then(builder.icmp_signed("<", state, n)):
                    place = builder.gep(to, [builder.add(builder.mul(state, n_rows), first)])
                    place = builder.bitcast(place, _VECTOR.as_pointer())
                    _aligned(builder.store(sum_of_units, place))
        return context.get_dummy_value()

    return generate


def _sums(
    builder: Any, units: int, steps: Any, starts: list[Any], groups: list[Any]
) -> list[list[Any]]:
    """Makes a loop over steps; returns for each group the sums of its vectors with each row."""
    totals = [
        [cgutils.alloca_once_value(builder, _VECTOR([0.0] * LANES)) for _ in starts] for _ in groups
    ]
    soon = builder.gep(starts[0], [_INT(AHEAD // units)])
    with cgutils.for_range(builder, steps) as step:
        # row by row, though some are read together: memory is slow where places are far apart
        ask_for_line(builder, builder.gep(soon, [builder.mul(step.index, _INT(len(starts)))]))
        lanes = [_aligned(builder.load(builder.gep(group, [step.index]))) for group in groups]
        for row, start in enumerate(starts):
            numbers = _aligned(builder.load(builder.gep(start, [step.index])))
            repeated = builder.shuffle_vector(
                numbers, numbers, _indices([*range(units)] * (LANES // units))
            )
            for lane, total in zip(lanes, (sums[row] for sums in totals), strict=True):
                product = builder.fmul(repeated, lane, flags=["contract"])
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
    return [[builder.load(total) for total in sums] for sums in totals]


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
