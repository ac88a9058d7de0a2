"""Numbers that the plain and the compiled form of a computation have in common."""

EPSILON = 1e-24  # is added inside the logarithm of a loss
