"""Compiled loops of an epoch's schedule; they run on the calling thread."""

import heapq

from gru4rec.compute.compiled.arrays import Bools, Ints
from gru4rec.compute.compiled.compiling import compiled

_compiled = compiled()


@_compiled
def assign_lanes(n_targets: Ints, n_lanes: int, lanes: Ints, begins: Ints) -> None:
    """Gives each session, in order, the lane that is free first (of several: the lowest).

    Args:
        n_targets: Steps that each session takes, shape (n_sessions,).
        n_lanes: At least 1.
        lanes: Lane of each session, shape (n_sessions,); is filled.
        begins: First step of each session, shape (n_sessions,); is filled.
    """
    free = [(0, lane) for lane in range(n_lanes)]  # (step from which it is free, lane)
    for session in range(len(n_targets)):
        begin, lane = free[0]
        lanes[session], begins[session] = lane, begin
        heapq.heapreplace(free, (begin + n_targets[session], lane))


@_compiled
def fill_schedule(
    firsts: Ints,
    n_targets: Ints,
    begins: Ints,
    rows: Ints,
    step_offsets: Ints,
    positions: Ints,
    starts: Bools,
) -> None:
    """Writes each session's events where its steps read them; see `schedule.Schedule`.

    Args:
        firsts: First event of each session, shape (n_sessions,).
        n_targets: Steps of each session, shape (n_sessions,).
        begins: First step of each session, shape (n_sessions,).
        rows: Row of each session, shape (n_sessions,).
        step_offsets: Where each step's rows begin, shape (n_steps + 1,).
        positions: Shape (n_examples,); is filled.
        starts: Shape (n_examples,); is filled.
    """
    for session in range(len(firsts)):
        for nth in range(n_targets[session]):
            slot = step_offsets[begins[session] + nth] + rows[session]
            positions[slot] = firsts[session] + nth
            starts[slot] = nth == 0
