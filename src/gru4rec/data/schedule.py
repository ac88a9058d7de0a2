"""Session-parallel mini-batches (ICLR 2016, section 3.1.1): the schedule of an epoch as arrays."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from gru4rec.compute import engine_of


@dataclass(frozen=True)
class Schedule:
    """Which lane reads which event when.

    Lanes are numbered by how long they last, longest first, so the rows of every step are the
    first lanes: where the batch shrinks, the states of the others are cut off.

    Attributes:
        positions: Events read, step after step, shape (n_examples,).
        starts: Whether a session begins there, shape (n_examples,).
        offsets: Step t owns positions[offsets[t]:offsets[t + 1]], shape (n_steps + 1,).
    """

    positions: npt.NDArray[np.int64]
    starts: npt.NDArray[np.bool_]
    offsets: npt.NDArray[np.int64]

    @property
    def n_steps(self) -> int:
        """Steps of the epoch."""
        return len(self.offsets) - 1

    @property
    def n_examples(self) -> int:
        """Targets of the epoch."""
        return len(self.positions)

    @property
    def n_lanes(self) -> int:
        """Rows of the first (largest) step; 0 in an empty schedule."""
        return int(self.offsets[1]) if self.n_steps else 0

    def steps(self) -> Iterator[tuple[int, int]]:
        """Yields the first and the end position of each step."""
        return itertools.pairwise(self.offsets.tolist())


def make_schedule(
    offsets: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
    batch_size: int,
    min_lanes: int = 1,
) -> Schedule:
    """Plans an epoch.

    The first `batch_size` sessions fill the lanes; a lane that has used up its session takes the
    next one in order (several at once: in lane order); without a next one it is dropped.

    Args:
        offsets: Session s owns the events offsets[s]:offsets[s + 1], shape (n_sessions + 1,).
        order: Sessions in the order in which they are read, shape (n_sessions,).
        batch_size: Number of lanes; fewer sessions mean fewer lanes.
        min_lanes: The epoch ends when fewer lanes than this are left.

    Returns:
        The schedule; empty if no session has two events.
    """
    n_targets = np.maximum(np.diff(offsets) - 1, 0)[order]
    order, n_targets = order[n_targets > 0], n_targets[n_targets > 0]
    if len(order) == 0:
        nothing = np.empty(0, dtype=np.int64)
        return Schedule(nothing, nothing.astype(np.bool_), np.zeros(1, dtype=np.int64))
    engine = engine_of(torch.device("cpu"))
    lanes, begins = engine.assign_lanes(n_targets, min(batch_size, len(order)))
    ends = np.zeros(lanes.max() + 1, dtype=np.int64)
    np.maximum.at(ends, lanes, begins + n_targets)
    row_of_lane = np.argsort(np.argsort(-ends, kind="stable"), kind="stable")
    n_active = len(ends) - np.searchsorted(np.sort(ends), np.arange(ends.max()), side="right")
    step_offsets = np.concatenate([[0], np.cumsum(n_active)])
    positions, starts = engine.fill_schedule(
        offsets[order], n_targets, begins, row_of_lane[lanes], step_offsets
    )
    kept = int(np.searchsorted(-n_active, -min_lanes, side="right"))
    n_kept = int(step_offsets[kept])
    return Schedule(positions[:n_kept], starts[:n_kept], step_offsets[: kept + 1])
