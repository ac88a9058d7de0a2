"""Products of rows with eight states at once: vectors across states, which numba does not make.

A vector along a row would have to be added up for each state in the end, which for a hundred units
costs as much as the products.
"""

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

LANES = 8  # states of a group: their sums for one row are one vector
# so many sums are under way at once, as each addition waits for the one before; as many as states,
# so that they can change places
ROWS = LANES

_FLOAT, _INT, _INDEX = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)


@intrinsic
def multiply_rows(_: Any, rows: Any, first: Any, states: Any, group: Any, out: Any) -> Any:
    """Multiplies `ROWS` rows of a table with a group of states, all contiguous 32-bit floats.

    Args:
        rows: The table, shape (at least first + ROWS, width), width ≥ 1.
        first: Index of the first row.
        states: Transposed by groups, shape (n_groups, width, LANES).
        group: Which of them.
        out: Receives the products in the places of states and rows, shape (n_states, n rows);
            what is there of the last group beyond its states is left out.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def data(place: int, of: ir.Type) -> Any:
            array = context.make_array(signature.args[place])(context, builder, values[place])
            return builder.bitcast(array.data, of.as_pointer()), array

        (table, rows), (lanes, _), (to, out) = data(0, _FLOAT), data(2, _VECTOR), data(4, _FLOAT)
        (_, width), first = cgutils.unpack_tuple(builder, rows.shape, 2), values[1]
        lanes = builder.gep(lanes, [builder.mul(values[3], width)])
        starts = [
            builder.gep(table, [builder.mul(builder.add(first, _INT(number)), width)])
            for number in range(ROWS)
        ]
        totals = [cgutils.alloca_once_value(builder, _VECTOR([0.0] * LANES)) for _ in starts]
        with cgutils.for_range(builder, width) as units:
            lane = _aligned(builder.load(builder.gep(lanes, [units.index])))
            for start, total in zip(starts, totals, strict=True):
                number = builder.load(builder.gep(start, [units.index]))
                product = builder.fmul(_repeated(builder, number), lane, flags=["contract"])
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
        n_states, n = cgutils.unpack_tuple(builder, out.shape, 2)
        for number, sums in enumerate(_transposed(builder, [*map(builder.load, totals)])):
            state = builder.add(builder.mul(values[3], _INT(LANES)), _INT(number))
            with builder.if_then(builder.icmp_signed("<", state, n_states)):
                place = builder.gep(to, [builder.add(builder.mul(state, n), first)])
                _aligned(builder.store(sums, builder.bitcast(place, _VECTOR.as_pointer())))
        return context.get_dummy_value()

    return types.void(rows, first, states, group, out), generate


def _aligned(access: Any) -> Any:
    access.align = 4  # an array begins at any multiple of a number's size
    return access


def _repeated(builder: Any, number: Any) -> Any:
    """A vector of the same number."""
    one = builder.insert_element(_VECTOR(ir.Undefined), number, _INDEX(0))
    return builder.shuffle_vector(one, one, _indices([0] * LANES))


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
