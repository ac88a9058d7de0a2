"""What a column of floats holds exactly."""

from gru4rec.errors import DataError

LARGEST_EXACT_DOUBLE = 2**53  # from here on a 64-bit float may stand for several whole numbers

_LARGEST = {
    "float16": 2**11,
    "halffloat[pyarrow]": 2**11,
    "float32": 2**24,
    "float[pyarrow]": 2**24,
}


def largest_exact(dtype: object) -> int | None:
    """Says from where on a column may have rounded whole numbers: it holds those below exactly.

    Args:
        dtype: Type of the column, of pandas, NumPy or Ibis.

    Returns:
        2¹¹ for half and 2²⁴ for single precision; None for all other types.
    """
    return _LARGEST.get(str(dtype).lower().removeprefix("!"))


def refuse_inexact(name: str, dtype: object, limit: int, count: int, example: float) -> None:
    """Checks for values that a column's type has rounded, so that different ones may be one now.

    Args:
        name: How the column is called by the user.
        dtype: Its type.
        limit: What that type holds exactly, as `largest_exact` says.
        count: Values from there on.
        example: One of them.

    Raises:
        DataError: There are some.
    """
    if count:
        raise DataError(
            f"The column {name!r} of type {dtype} has {count:,} values such as {example:.15g}, but "
            f"whole numbers below {limit:,} only are kept exact of this type; store the column as "
            "text or integers from the start (a cast does not bring back what is lost)"
        )
