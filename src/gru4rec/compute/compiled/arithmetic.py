"""Elementary functions in 32 bits, in forms that are vectorised."""

from typing import Any

import numpy as np

from gru4rec.compute.compiled.arrays import Floats
from gru4rec.compute.compiled.compiling import compiled

ONE, TWO, ZERO = np.float32(1), np.float32(2), np.float32(0)

# Sums may be taken in parts, and a·b + c may be rounded once. Inlined into the loops: in the
# process that compiles them a function beside them is optimised apart, and would round otherwise.
row_function = compiled(forceinline=True, fastmath={"contract", "arcp", "nsz", "reassoc"})
inlined = compiled(inline="always")


@inlined
def exp(x: Any) -> Any:
    """e^x in 32 bits to about one unit in the last place, in a form that is vectorised.

    Beyond ±87 it stays at its value there; of NaN it is NaN.
    """
    x = np.float32(-87.0) if x < np.float32(-87.0) else x
    x = np.float32(87.0) if x > np.float32(87.0) else x
    # e^x = 2^n·e^r with |r| ≤ ½·ln 2; ln 2 in two parts, and e^r by a minimax polynomial
    n = np.floor(x * np.float32(1.44269504) + np.float32(0.5))
    r = x - n * np.float32(0.693359375) - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + ONE
    return p * np.int32((np.int32(n) + 127) << 23).view(np.float32)


@inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^−x)."""
    return ONE / (ONE + exp(-x))


@inlined
def tanh(x: Any) -> Any:
    """The hyperbolic tangent."""
    return TWO * sigmoid(TWO * x) - ONE


@compiled(fastmath={"nnan", "nsz", "reassoc", "contract"})
def largest(values: Floats) -> Any:
    """The largest of some numbers, shape (n,), n > 0."""
    best = values[0]
    for value in values:
        best = max(best, value)
    return best


@row_function
def dot(row: Floats, state: Floats) -> Any:
    """The dot product of a row and a state, shape (units,) each."""
    total = ZERO
    for j in range(len(row)):
        total += row[j] * state[j]
    return total
