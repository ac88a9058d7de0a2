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
ROWS = 8  # so many sums are under way at once, as each addition waits for the one before

_FLOAT, _INT, _INDEX = ir.FloatType(), ir.IntType(64), ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)


@intrinsic
def multiply_rows(_: Any, rows: Any, first: Any, last: Any, states: Any, sums: Any) -> Any:
    """Multiplies `ROWS` rows of a table with a group of states, all contiguous 32-bit floats.

    Args:
        rows: The table, shape (n, width).
        first: Index of the first row.
        last: That of the last row there is: it is taken again where there are none after it.
        states: Their transpose, shape (width, LANES), width ≥ 1.
        sums: Receives the products, shape (LANES, ROWS).
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        def data(place: int, of: ir.Type) -> Any:
            array = context.make_array(signature.args[place])(context, builder, values[place])
            return builder.bitcast(array.data, of.as_pointer()), array

        (table, rows), (lanes, _), (out, _) = data(0, _FLOAT), data(3, _VECTOR), data(4, _VECTOR)
        width = builder.extract_value(rows.shape, 1)
        starts = []
        for number in range(ROWS):
            row = builder.add(values[1], _INT(number))
            row = builder.select(builder.icmp_signed("<", row, values[2]), row, values[2])
            starts.append(builder.gep(table, [builder.mul(row, width)]))
        totals = [cgutils.alloca_once_value(builder, _VECTOR([0.0] * LANES)) for _ in starts]
        with cgutils.for_range(builder, width) as units:
            lane = _load(builder, lanes, units.index)
            for start, total in zip(starts, totals, strict=True):
                number = builder.load(builder.gep(start, [units.index]))
                product = builder.fmul(_repeated(builder, number), lane, flags=["contract"])
                added = builder.fadd(builder.load(total), product, flags=["contract"])
                builder.store(added, total)
        for lane, sums_of_lane in enumerate(_transposed(builder, [*map(builder.load, totals)])):
            builder.store(sums_of_lane, builder.gep(out, [_INT(lane)])).align = 4
        return context.get_dummy_value()

    return types.void(rows, first, last, states, sums), generate


def _load(builder: Any, vectors: Any, place: Any) -> Any:
    loaded = builder.load(builder.gep(vectors, [place]))
    loaded.align = 4  # an array begins at any multiple of a number's size
    return loaded


def _repeated(builder: Any, number: Any) -> Any:
    """A vector of the same number."""
    one = builder.insert_element(_VECTOR(ir.Undefined), number, _INDEX(0))
    return builder.shuffle_vector(one, one, _indices([0] * LANES))


def _transposed(builder: Any, vectors: list[Any]) -> list[Any]:
    """Eight vectors, of which the first has the first numbers of those given."""
    for _ in range(3):
        pairs = [*zip(vectors[:4], vectors[4:], strict=True)]
        vectors = [
            builder.shuffle_vector(*pair, _indices(halves))
            for pair in pairs
            for halves in ([0, 8, 1, 9, 2, 10, 3, 11], [4, 12, 5, 13, 6, 14, 7, 15])
        ]
    return vectors


def _indices(numbers: list[int]) -> Any:
    return ir.Constant(ir.VectorType(_INDEX, LANES), numbers)
