from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.data.schedule import Schedule, make_schedule

pytestmark = pytest.mark.usefixtures("engine")

LENGTHS = st.lists(st.integers(0, 7), min_size=1, max_size=25)
LANES = st.integers(1, 9)
ORDER = st.randoms(use_true_random=False)


def offsets_of(lengths: list[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)


def plan(
    lengths: list[int], batch_size: int, order: list[int] | None = None, min_lanes: int = 1
) -> Schedule:
    ordered = np.array(range(len(lengths)) if order is None else order, dtype=np.int64)
    return make_schedule(offsets_of(lengths), ordered, batch_size, min_lanes)


def shuffled(lengths: list[int], random: object) -> list[int]:
    order = list(range(len(lengths)))
    random.shuffle(order)  # type: ignore[attr-defined]
    return order


def step_of_row(schedule: Schedule) -> np.ndarray:
    return np.repeat(np.arange(schedule.n_steps), np.diff(schedule.offsets))


def row_in_step(schedule: Schedule) -> np.ndarray:
    return np.arange(schedule.n_examples) - schedule.offsets[step_of_row(schedule)]


def simulate(
    lengths: list[int], batch_size: int, order: list[int], min_lanes: int
) -> set[tuple[int, int, int]]:
    """Walks lanes one event at a time, and returns (session, place in it, step) of each target."""
    waiting = [session for session in order if lengths[session] > 1]
    lanes = [[session, 0] for session in waiting[:batch_size]]
    waiting = waiting[batch_size:]
    read, step = set(), 0
    while lanes and len(lanes) >= min_lanes:
        for lane in lanes:
            read.add((lane[0], lane[1], step))
            lane[1] += 1
        for lane in lanes:
            if lane[1] == lengths[lane[0]] - 1 and waiting:
                lane[:] = [waiting.pop(0), 0]
        lanes = [lane for lane in lanes if lane[1] < lengths[lane[0]] - 1]
        step += 1
    return read


@given(LENGTHS, LANES, ORDER, st.integers(1, 3))
def test_equals_a_naive_simulation(
    lengths: list[int], batch_size: int, random: object, min_lanes: int
) -> None:
    order = shuffled(lengths, random)
    offsets = offsets_of(lengths)

    schedule = plan(lengths, batch_size, order, min_lanes)

    sessions = np.repeat(np.arange(len(lengths)), lengths)[schedule.positions]
    places = schedule.positions - offsets[sessions]
    planned = list(zip(sessions, places, step_of_row(schedule), strict=True))
    assert len(planned) == len(set(planned))
    assert set(planned) == simulate(lengths, batch_size, order, min_lanes)


@given(LENGTHS, LANES)
def test_each_target_is_read_exactly_once(lengths: list[int], batch_size: int) -> None:
    offsets = offsets_of(lengths)

    schedule = plan(lengths, batch_size)

    with_successor = set(range(offsets[-1])) - {int(end) - 1 for end in offsets[1:]}
    assert Counter(schedule.positions.tolist()) == Counter(with_successor)


@given(LENGTHS, LANES, ORDER)
def test_a_session_runs_through_one_lane(
    lengths: list[int], batch_size: int, random: object
) -> None:
    schedule = plan(lengths, batch_size, shuffled(lengths, random))

    rows, steps = row_in_step(schedule), step_of_row(schedule)
    where = {
        position: (row, step)
        for position, row, step in zip(schedule.positions, rows, steps, strict=True)
    }
    for position, (row, step) in where.items():
        if not schedule.starts[schedule.offsets[step] + row]:
            assert where[position - 1] == (row, step - 1)


@given(LENGTHS, LANES)
def test_states_reset_exactly_where_sessions_start(lengths: list[int], batch_size: int) -> None:
    schedule = plan(lengths, batch_size)

    firsts = offsets_of(lengths)[:-1]
    assert schedule.starts.tolist() == np.isin(schedule.positions, firsts).tolist()


@given(LENGTHS, LANES, ORDER)
def test_sessions_begin_in_the_order_given(
    lengths: list[int], batch_size: int, random: object
) -> None:
    order = shuffled(lengths, random)
    begun_at = np.full(len(lengths), -1)

    schedule = plan(lengths, batch_size, order)

    sessions = np.repeat(np.arange(len(lengths)), lengths)[schedule.positions]
    begun_at[sessions[schedule.starts]] = step_of_row(schedule)[schedule.starts]
    in_order = [begun_at[session] for session in order if lengths[session] > 1]
    assert in_order == sorted(in_order)


@given(LENGTHS, LANES)
def test_the_batch_only_shrinks(lengths: list[int], batch_size: int) -> None:
    schedule = plan(lengths, batch_size)

    rows = np.diff(schedule.offsets).tolist()
    usable = sum(length > 1 for length in lengths)
    assert rows == sorted(rows, reverse=True)
    assert schedule.n_lanes == min(batch_size, usable)
    # a row is never the lane of a session that began in another row: lanes keep their places
    rows_of_starts = row_in_step(schedule)[schedule.starts]
    assert set(rows_of_starts) == set(range(schedule.n_lanes))


def test_lanes_that_finish_together_are_refilled_in_lane_order() -> None:
    # sessions 0 and 1 end together; 2 (long) goes to the lane of 0, 3 to the lane of 1
    schedule = plan([2, 2, 4, 3], batch_size=2)

    by_step = [schedule.positions[begin:end].tolist() for begin, end in schedule.steps()]
    assert by_step == [[0, 2], [4, 8], [5, 9], [6]]


def test_a_session_waits_for_the_lane_that_is_free_first() -> None:
    # the lane of session 1 is free after one step, the lane of 0 after three
    schedule = plan([4, 2, 2, 3], batch_size=2)

    by_step = [set(schedule.positions[begin:end].tolist()) for begin, end in schedule.steps()]
    assert by_step == [{0, 4}, {1, 6}, {2, 8}, {9}]


@pytest.mark.parametrize("lengths", [[1], [1, 1, 1], [0, 1]])
def test_sessions_of_one_event_contribute_nothing(lengths: list[int]) -> None:
    schedule = plan(lengths, batch_size=4)

    assert (schedule.n_steps, schedule.n_examples, schedule.n_lanes) == (0, 0, 0)
    assert list(schedule.steps()) == []


def test_a_lane_left_alone_can_end_the_epoch() -> None:
    lengths = [5, 3]

    assert plan(lengths, batch_size=2, min_lanes=1).n_examples == 4 + 2
    assert plan(lengths, batch_size=2, min_lanes=2).n_examples == 2 + 2
    assert plan([5], batch_size=2, min_lanes=2).n_examples == 0


def test_the_schedule_does_not_depend_on_chance() -> None:
    first, second = plan([3, 5, 2, 4], 2), plan([3, 5, 2, 4], 2)

    assert first.positions.tolist() == second.positions.tolist()
    assert first.offsets.tolist() == second.offsets.tolist()
