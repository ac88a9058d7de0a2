"""The compiled loops of the losses: from products to the gradient by the scores.

A unit of work is a row of the batch. What a row gives does not depend on the other rows, so the
number of threads changes nothing.
"""

from typing import Annotated, Any

import numpy as np

from gru4rec.compute.compiled.arithmetic import ONE, TWO, ZERO, exp, largest, row_function
from gru4rec.compute.compiled.arrays import Floats, Ints
from gru4rec.compute.compiled.loops import loop
from gru4rec.compute.constants import EPSILON

_EPSILON = np.float32(EPSILON)


@row_function
def cross_entropy_row(scores: Floats, place: int, share: Any, scale: Any) -> Any:
    """Turns a row of scores into the gradient of `losses.cross_entropy` by them, in place.

    Args:
        scores: Of the distinct candidates, the logarithm of each one's weight added, shape (n,).
        place: Which of them is the positive.
        share: How much of its candidate's weight the positive itself has.
        scale: What the gradient is multiplied by.

    Returns:
        The loss of the row.
    """
    best, total = largest(scores), ZERO
    for j in range(len(scores)):
        e = exp(scores[j] - best)
        scores[j] = e
        total += e
    positive = scores[place] / total * share
    factor = positive / (positive + _EPSILON) * scale
    of_all = factor / total
    for j in range(len(scores)):
        scores[j] *= of_all
    scores[place] -= factor
    return -np.log(positive + _EPSILON)


@row_function
def bpr_max_row(
    scores: Floats,
    place: int,
    copies: Floats,
    bpreg: Any,
    elu_param: Any,
    scale: Any,
    weights: Floats,
    wins: Floats,
) -> Any:
    """Turns a row of scores into the gradient of `losses.bpr_max` by them, in place.

    Args:
        scores: Of the distinct candidates, shape (n,).
        place: Which of them is the positive.
        copies: How often each candidate occurs, shape (n,).
        bpreg: Weight of the score regularisation.
        elu_param: α of the ELU; 0: none.
        scale: What the gradient is multiplied by.
        weights: Room, shape (n,).
        wins: Room, shape (n,).

    Returns:
        The loss of the row.
    """
    if elu_param > ZERO:
        for j in range(len(scores)):
            x = scores[j]
            scores[j] = x if x > ZERO else elu_param * (exp(x) - ONE)
    own = scores[place]
    # the best negative: beside a positive that leads by far all of them would vanish
    if copies[place] == ONE:
        scores[place] = np.float32(-3e38)
    best = largest(scores)
    scores[place] = own
    # σ(own − r) = 1 / (1 + e^(r − best)·e^(best − own)): one exponential serves softmax and σ
    lead = exp(best - own)
    for j in range(len(scores)):
        e = exp(scores[j] - best)
        weights[j] = e * copies[j]
        wins[j] = ONE / (ONE + e * lead)
    # a row's own positive is no negative of it, but further copies of that item are
    weights[place] = exp(own - best) * (copies[place] - ONE)
    total, won, won_twice, squares = ZERO, ZERO, ZERO, ZERO
    for j in range(len(scores)):
        total += weights[j]
        win = weights[j] * wins[j]
        won += win
        won_twice += win * wins[j]
        squares += weights[j] * scores[j] * scores[j]
    share = ONE / total
    won, won_twice, squares = won * share, won_twice * share, squares * share
    inverse = ONE / (won + _EPSILON)
    # s·((A − σ²)/(A + ε) + bpreg·(r² + 2r − R)), A and R the weighted means of σ and r²
    for j in range(len(scores)):
        r = scores[j]
        slope = ONE if elu_param == ZERO or r > ZERO else r + elu_param
        pull = (won - wins[j] * wins[j]) * inverse + bpreg * (r * r + TWO * r - squares)
        scores[j] = scale * share * slope * weights[j] * pull
    slope = ONE if elu_param == ZERO or own > ZERO else own + elu_param
    scores[place] -= scale * slope * (won - won_twice) * inverse
    return -np.log(won + _EPSILON) + bpreg * squares


@loop
def cross_entropy(
    begin: int,
    end: int,
    products: Annotated[Floats, "width", "n"],
    scores: Annotated[Floats, "n", "width"],
    offsets: Annotated[Floats, "width"],
    places: Annotated[Ints, "n"],
    shares: Annotated[Floats, "width"],
    losses: Annotated[Floats, "n"],
    width: int,
    scale: float,
) -> None:
    """Fills in `scores` and `losses` by `cross_entropy_row` of products plus offsets."""
    for i in range(begin, end):
        row = scores[i]
        for j in range(width):
            row[j] = products[j, i] + offsets[j]
        losses[i] = cross_entropy_row(row, places[i], shares[places[i]], scale)


@loop
def bpr_max(
    begin: int,
    end: int,
    products: Annotated[Floats, "width", "n"],
    scores: Annotated[Floats, "n", "width"],
    offsets: Annotated[Floats, "width"],
    places: Annotated[Ints, "n"],
    copies: Annotated[Floats, "width"],
    losses: Annotated[Floats, "n"],
    width: int,
    bpreg: float,
    elu_param: float,
    scale: float,
) -> None:
    """Fills in `scores` and `losses` by `bpr_max_row` of products plus offsets."""
    weights, wins = np.empty(width, np.float32), np.empty(width, np.float32)
    for i in range(begin, end):
        row = scores[i]
        for j in range(width):
            row[j] = products[j, i] + offsets[j]
        losses[i] = bpr_max_row(row, places[i], copies, bpreg, elu_param, scale, weights, wins)
