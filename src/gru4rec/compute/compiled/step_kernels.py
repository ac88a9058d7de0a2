"""The compiled loops of the training step on a CPU: losses, GRU cell, update.

A unit of work is a row of the batch, or of a table. What a row gives does not depend on the other
rows, so the number of threads changes nothing. Importing this module takes half a second, so it is
imported where it is used.
"""

from typing import Any

import numpy as np

from gru4rec.compute.compiled import openmp
from gru4rec.compute.compiled.arrays import Floats
from gru4rec.compute.compiled.compiling import compiled
from gru4rec.compute.compiled.openmp import (
    ADDRESS,
    FLOAT,
    INT,
    arguments_at,
    floats,
    ints,
    prefetch,
    take,
)
from gru4rec.compute.constants import EPSILON

_EPSILON = np.float32(EPSILON)
_ONE, _TWO, _ZERO = np.float32(1), np.float32(2), np.float32(0)

# rows of a table are asked for so many rows before they are used: they are far apart in memory
_AHEAD = 128

# Sums may be taken in parts, and a·b + c may be rounded once. Inlined into the loops: in the
# process that compiles them a function beside them is optimised apart, and would round otherwise.
_compiled = compiled(forceinline=True, fastmath={"contract", "arcp", "nsz", "reassoc"})
_inlined = compiled(inline="always")


@_inlined
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
    p = p * r * r + r + _ONE
    return p * np.int32((np.int32(n) + 127) << 23).view(np.float32)


@_inlined
def sigmoid(x: Any) -> Any:
    """1 / (1 + e^−x)."""
    return _ONE / (_ONE + exp(-x))


@compiled(fastmath={"nnan", "nsz", "reassoc", "contract"})
def largest(values: Floats) -> Any:
    """The largest of some numbers, shape (n,), n > 0."""
    best = values[0]
    for value in values:
        best = max(best, value)
    return best


@_compiled
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
    best, total = largest(scores), _ZERO
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


@_compiled
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
    if elu_param > _ZERO:
        for j in range(len(scores)):
            x = scores[j]
            scores[j] = x if x > _ZERO else elu_param * (exp(x) - _ONE)
    own = scores[place]
    # the best negative: beside a positive that leads by far all of them would vanish
    if copies[place] == _ONE:
        scores[place] = np.float32(-3e38)
    best = largest(scores)
    scores[place] = own
    # σ(own − r) = 1 / (1 + e^(r − best)·e^(best − own)): one exponential serves softmax and σ
    lead = exp(best - own)
    for j in range(len(scores)):
        e = exp(scores[j] - best)
        weights[j] = e * copies[j]
        wins[j] = _ONE / (_ONE + e * lead)
    # a row's own positive is no negative of it, but further copies of that item are
    weights[place] = exp(own - best) * (copies[place] - _ONE)
    total, won, won_twice, squares = _ZERO, _ZERO, _ZERO, _ZERO
    for j in range(len(scores)):
        total += weights[j]
        win = weights[j] * wins[j]
        won += win
        won_twice += win * wins[j]
        squares += weights[j] * scores[j] * scores[j]
    share = _ONE / total
    won, won_twice, squares = won * share, won_twice * share, squares * share
    inverse = _ONE / (won + _EPSILON)
    # s·((A − σ²)/(A + ε) + bpreg·(r² + 2r − R)), A and R the weighted means of σ and r²
    for j in range(len(scores)):
        r = scores[j]
        slope = _ONE if elu_param == _ZERO or r > _ZERO else r + elu_param
        pull = (won - wins[j] * wins[j]) * inverse + bpreg * (r * r + _TWO * r - squares)
        scores[j] = scale * share * slope * weights[j] * pull
    slope = _ONE if elu_param == _ZERO or own > _ZERO else own + elu_param
    scores[place] -= scale * slope * (won - won_twice) * inverse
    return -np.log(won + _EPSILON) + bpreg * squares


@_compiled
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
    """Some units of the common GRU cell, given its two products; see `network.gru`.

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
            candidate[i] = _TWO * sigmoid(_TWO * x) - _ONE  # tanh
    z, candidate = gates[1], gates[2]
    for i in range(len(h)):
        for j in range(begin, end):
            out[i, j] = candidate[j, i] + z[j, i] * (h[i, j] - candidate[j, i])


@_compiled
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
        sum_r, sum_z, sum_n, sum_n_of_h = _ZERO, _ZERO, _ZERO, _ZERO
        for i in range(len(of_r)):
            r, z, candidate = of_r[i], of_z[i], of_candidate[i]
            by_n = by_out[i] * (_ONE - z) * (_ONE - candidate * candidate)
            by_r = by_n * n_of_h[i] * r * (_ONE - r)
            by_z = by_out[i] * (z_of_h[i] - candidate) * z * (_ONE - z)
            of_r[i], r_of_h[i] = by_r, by_r
            of_z[i], z_of_h[i] = by_z, by_z
            of_candidate[i], n_of_h[i] = by_n, by_n * r
            sum_r += by_r
            sum_z += by_z
            sum_n += by_n
            sum_n_of_h += by_n * r
        by_bias_ih[0, j], by_bias_ih[1, j], by_bias_ih[2, j] = sum_r, sum_z, sum_n
        by_bias_hh[0, j], by_bias_hh[1, j], by_bias_hh[2, j] = sum_r, sum_z, sum_n_of_h


@_compiled
def adagrad_row(row: Floats, accumulators: Floats, gradient: Floats, rate: Any, eps: Any) -> None:
    """Updates a row by its gradient; see `optimizer.Adagrad`."""
    for j in range(len(row)):
        accumulator = accumulators[j] + gradient[j] * gradient[j]
        accumulators[j] = accumulator
        row[j] -= rate * gradient[j] / np.sqrt(accumulator + eps)


@_compiled
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


@_inlined
def update_row(
    row: Any, accumulators: Any, velocities: Any, gradient: Any, rate: Any, eps: Any, momentum: Any
) -> None:
    """Updates a row with momentum, or without: then there are no velocities to read."""
    if momentum == _ZERO:
        adagrad_row(row, accumulators, gradient, rate, eps)
    else:
        momentum_row(row, accumulators, velocities, gradient, rate, eps, momentum)


CROSS_ENTROPY = openmp.arguments(
    products=ADDRESS,
    scores=ADDRESS,
    offsets=ADDRESS,
    places=ADDRESS,
    shares=ADDRESS,
    losses=ADDRESS,
    width=INT,
    scale=FLOAT,
)


@openmp.loop(CROSS_ENTROPY)
def cross_entropy(pointer: Any) -> None:
    """`cross_entropy_row` for each row of products (width, n) and offsets (width,)."""
    given = arguments_at(pointer)
    products = floats(given.products, (given.width, given.n))
    scores = floats(given.scores, (given.n, given.width))
    offsets = floats(given.offsets, given.width)
    places, shares = ints(given.places, given.n), floats(given.shares, given.width)
    losses = floats(given.losses, given.n)
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin, end):
            row = scores[i]
            for j in range(given.width):
                row[j] = products[j, i] + offsets[j]
            losses[i] = cross_entropy_row(row, places[i], shares[places[i]], given.scale)
        begin, end = take(pointer)


BPR_MAX = openmp.arguments(
    products=ADDRESS,
    scores=ADDRESS,
    offsets=ADDRESS,
    places=ADDRESS,
    copies=ADDRESS,
    losses=ADDRESS,
    width=INT,
    bpreg=FLOAT,
    elu_param=FLOAT,
    scale=FLOAT,
)


@openmp.loop(BPR_MAX)
def bpr_max(pointer: Any) -> None:
    """`bpr_max_row` for each row of products (width, n) and offsets (width,)."""
    given = arguments_at(pointer)
    products = floats(given.products, (given.width, given.n))
    scores = floats(given.scores, (given.n, given.width))
    offsets = floats(given.offsets, given.width)
    places, copies = ints(given.places, given.n), floats(given.copies, given.width)
    losses = floats(given.losses, given.n)
    weights, wins = np.empty(given.width, np.float32), np.empty(given.width, np.float32)
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin, end):
            row = scores[i]
            for j in range(given.width):
                row[j] = products[j, i] + offsets[j]
            losses[i] = bpr_max_row(
                row, places[i], copies, given.bpreg, given.elu_param, given.scale, weights, wins
            )
        begin, end = take(pointer)


GRU = openmp.arguments(
    gates=ADDRESS,
    recurrent=ADDRESS,
    bias_ih=ADDRESS,
    bias_hh=ADDRESS,
    h=ADDRESS,
    out=ADDRESS,
    rows=INT,
)


@openmp.loop(GRU)
def gru(pointer: Any) -> None:
    """`gru_units` for all units, in a batch of so many rows."""
    given = arguments_at(pointer)
    units, rows = given.n, given.rows
    gates = floats(given.gates, (3, units, rows))
    recurrent = floats(given.recurrent, (3, units, rows))
    bias_ih, bias_hh = floats(given.bias_ih, (3, units)), floats(given.bias_hh, (3, units))
    h, out = floats(given.h, (rows, units)), floats(given.out, (rows, units))
    begin, end = take(pointer)
    while begin < end:
        gru_units(gates, recurrent, bias_ih, bias_hh, h, out, begin, end)
        begin, end = take(pointer)


GRU_GRADIENT = openmp.arguments(
    gradient=ADDRESS,
    gates=ADDRESS,
    recurrent=ADDRESS,
    h=ADDRESS,
    by_bias_ih=ADDRESS,
    by_bias_hh=ADDRESS,
    rows=INT,
)


@openmp.loop(GRU_GRADIENT)
def gru_gradient(pointer: Any) -> None:
    """`gru_gradient_units` for all units, in a batch of so many rows."""
    given = arguments_at(pointer)
    units, rows = given.n, given.rows
    gates = floats(given.gates, (3, units, rows))
    recurrent = floats(given.recurrent, (3, units, rows))
    gradient, h = floats(given.gradient, (units, rows)), floats(given.h, (rows, units))
    by_ih, by_hh = floats(given.by_bias_ih, (3, units)), floats(given.by_bias_hh, (3, units))
    begin, end = take(pointer)
    while begin < end:
        gru_gradient_units(gradient, gates, recurrent, h, by_ih, by_hh, begin, end)
        begin, end = take(pointer)


# e^−700 is about as small as 64 bits can hold
_MOST = np.float32(700)

TABLE = {"table": ADDRESS, "rows": ADDRESS, "n_rows": INT, "width": INT, "stride": INT}

GATHER = openmp.arguments(
    out=ADDRESS,
    biases=ADDRESS,
    log_counts=ADDRESS,
    positives=ADDRESS,
    draws=ADDRESS,
    offsets=ADDRESS,
    copies=ADDRESS,
    shares=ADDRESS,
    n_candidates=INT,
    logarithms=INT,
    positive_logq=FLOAT,
    negative_logq=FLOAT,
    **TABLE,
)


@openmp.loop(GATHER)
def gather(pointer: Any) -> None:
    """Copies rows (n,) of a table (n_rows, width) to others (n, stride) and weighs candidates.

    The first `n_candidates` rows are those. Each has so many positives and draws among the copies
    of its item, and gets their number, the bias plus (if asked for) the logarithm of what they
    weigh in the softmax together, and the share of one positive in that. A copy weighs
    e^(−its log-Q correction).
    """
    given = arguments_at(pointer)
    n, n_rows, width = given.n, given.n_rows, given.width
    table, rows = floats(given.table, (n_rows, width)), ints(given.rows, n)
    out = floats(given.out, (n, given.stride))
    biases, log_counts = floats(given.biases, n_rows), floats(given.log_counts, n_rows)
    positives, draws = ints(given.positives, n), ints(given.draws, n)
    offsets, shares = floats(given.offsets, n), floats(given.shares, n)
    copies = floats(given.copies, n)
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin - _AHEAD, end):
            if i + _AHEAD < end:
                row = rows[i + _AHEAD]
                prefetch(given.table + 4 * width * row, width)
                prefetch(given.biases + 4 * row, 1)
                prefetch(given.log_counts + 4 * row, 1)
            if i >= begin:
                original, copy = table[rows[i]], out[i]
                for j in range(width):
                    copy[j] = original[j]
        for i in range(begin, min(end, given.n_candidates)):
            copies[i] = positives[i] + draws[i]
            offsets[i] = biases[rows[i]]
            if given.logarithms == 0:
                continue
            correction = given.negative_logq * log_counts[rows[i]]
            if positives[i] == 0:
                offsets[i] -= correction
                if draws[i] > 1:
                    offsets[i] += np.log(copies[i])
                continue
            # 64 bits: with a strong correction the weights of popular items are very small
            own = np.exp(-np.float64(min(given.positive_logq * log_counts[rows[i]], _MOST)))
            weight = positives[i] * own
            weight += draws[i] * np.exp(-np.float64(min(correction, _MOST)))
            offsets[i] += np.log(weight)
            shares[i] = own / weight
        begin, end = take(pointer)


ADAGRAD = openmp.arguments(
    accumulators=ADDRESS,
    velocities=ADDRESS,  # 0 without momentum
    gradient=ADDRESS,
    rate=FLOAT,
    epsilon=FLOAT,
    momentum=FLOAT,
    biases=ADDRESS,
    bias_accumulators=ADDRESS,
    bias_velocities=ADDRESS,
    n_biases=INT,
    late=ADDRESS,
    turn=INT,
    **TABLE,
)


@_inlined
def _prefetch_row(given: Any, row: int, with_bias: bool) -> None:
    """Asks for what `adagrad` changes of a row."""
    offset = 4 * given.width * row
    prefetch(given.table + offset, given.width)
    prefetch(given.accumulators + offset, given.width)
    if given.velocities != 0:
        prefetch(given.velocities + offset, given.width)
    if with_bias:
        prefetch(given.biases + 4 * row, 1)
        prefetch(given.bias_accumulators + 4 * row, 1)
        if given.velocities != 0:
            prefetch(given.bias_velocities + 4 * row, 1)


@openmp.loop(ADAGRAD)
def adagrad(pointer: Any) -> None:
    """Updates the distinct rows (n,) of a table (n_rows, width) by their gradients (n, stride).

    The first `n_biases` of them have a bias too, whose gradient follows that of the row. It is the
    turn of those that are said to be late (n,), or of the others.
    """
    given = arguments_at(pointer)
    rate, epsilon, momentum = given.rate, given.epsilon, given.momentum
    width, shape = given.width, (given.n_rows, given.width)
    table, accumulators = floats(given.table, shape), floats(given.accumulators, shape)
    velocities = floats(given.velocities, shape)
    n_biases, shape = given.n_biases, (given.n_rows, 1)
    biases, of_biases = floats(given.biases, shape), floats(given.bias_accumulators, shape)
    bias_velocities = floats(given.bias_velocities, shape)
    gradients, rows = floats(given.gradient, (given.n, given.stride)), ints(given.rows, given.n)
    late = ints(given.late, given.n)
    begin, end = take(pointer)
    while begin < end:
        for i in range(begin - _AHEAD, end):
            soon = i + _AHEAD
            if soon < end and late[soon] == given.turn:
                _prefetch_row(given, rows[soon], soon < n_biases)
            if i < begin or late[i] != given.turn:
                continue
            k, gradient = rows[i], gradients[i, :width]
            update_row(table[k], accumulators[k], velocities[k], gradient, rate, epsilon, momentum)
            if i < n_biases:
                bias, its, velocity = biases[k], of_biases[k], bias_velocities[k]
                gradient = gradients[i, width : width + 1]
                update_row(bias, its, velocity, gradient, rate, epsilon, momentum)
        begin, end = take(pointer)


# numbers of a tensor that make a unit of work
PORTION = 4096

DENSE = openmp.arguments(tensors=ADDRESS, n_tensors=INT, rate=FLOAT, epsilon=FLOAT, momentum=FLOAT)


@openmp.loop(DENSE)
def adagrad_dense(pointer: Any) -> None:
    """Updates whole tensors; a unit of work is a portion of one of them.

    `tensors` has a row for each: its first unit, how many numbers it has, and the addresses of
    weights, accumulators, velocities and gradient.
    """
    given = arguments_at(pointer)
    rate, epsilon, momentum = given.rate, given.epsilon, given.momentum
    tensors = ints(given.tensors, (given.n_tensors, 6))
    begin, end = take(pointer)
    while begin < end:
        for unit in range(begin, end):
            t = given.n_tensors - 1
            while tensors[t, 0] > unit:
                t -= 1
            first = (unit - tensors[t, 0]) * PORTION
            n, offset = min(tensors[t, 1] - first, PORTION), 4 * first
            weights, its = floats(tensors[t, 2] + offset, n), floats(tensors[t, 3] + offset, n)
            velocities = floats(tensors[t, 4] + offset, n)
            gradient = floats(tensors[t, 5] + offset, n)
            update_row(weights, its, velocities, gradient, rate, epsilon, momentum)
        begin, end = take(pointer)
