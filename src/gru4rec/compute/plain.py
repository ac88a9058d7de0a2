"""What there is to compute, by torch and NumPy alone: on any device, and easy to read.

Other engines do the same faster; one suite of tests holds all of them to the same answers.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.compute import cells

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]


class Best(NamedTuple):
    """The best items of some rows, row after row, best first.

    Attributes:
        items: Item indices, shape (n_best,).
        scores: Their scores, shape (n_best,).
        lengths: How many of these are of each row, shape (n_rows,).
    """

    items: Ints
    scores: Floats
    lengths: Ints


# Takes work of which each part has run before on its device; it may run now, or be looked at only.
# Returns a function that does the same again, on the same tensors, at less cost; None where nothing
# is gained, or it cannot be had.
Record = Callable[[Callable[[], None]], Callable[[], None] | None]


class Compact(Protocol):
    """A small copy of the output embeddings, by which fewer items need to be scored."""

    def candidates(self, state: Tensor, k: int) -> Tensor | None:
        """Finds all items that may be among the k best, those that tie for the last place included.

        Args:
            state: Hidden state of the last layer, shape (1, units).
            k: How many, at most n_items.

        Returns:
            Their indices, ascending; None where scoring all items is the better way.
        """


class Went(NamedTuple):
    """A session that has gone on.

    Attributes:
        items: Indices of its best items, best first, shape (n,).
        scores: Their scores, shape (n,).
        hidden: Its units, of each layer, as 32-bit floats.
    """

    items: Ints
    scores: Floats
    hidden: tuple[bytes, ...]


class FewSessions(Protocol):
    """Lets a few sessions of one model go on, and finds their best items; over and over."""

    def ready(
        self,
        hidden: Sequence[Floats],
        items: Sequence[Sequence[int]],
        k: int,
        seen: Sequence[Sequence[int]] | None,
    ) -> bool:
        """Takes what the next `run` is to do.

        Args:
            hidden: States of the sessions, per layer (n, units), n > 0.
            items: Item indices that each session goes on with, if any.
            k: See `Plain.best_items`.
            seen: See there.

        Returns:
            Whether it does that: not too much of anything.
        """

    def run(self) -> None:
        """Does it on this thread."""

    def result(self) -> list[Went]:
        """Returns what has become of each session."""


class Background(Protocol):
    """A thread that lets one batch of sessions after the other go on, and lets Python go on."""

    def begin(self, sessions: Any) -> None:
        """Begins with `FewSessions` of the same engine that are ready; the last ones have ended."""

    def fileno(self) -> int:
        """Returns the file that can be read when they have ended."""

    def end(self) -> None:
        """Waits until they have ended."""

    def close(self) -> None:
        """Ends the thread; nothing has begun that has not ended."""


class SessionIndex(NamedTuple):
    """Training sessions by item, and items by session; sessions are numbered, oldest first.

    Attributes:
        item_offsets: Item i owns that slice of the next two, shape (n_items + 1,).
        item_sessions: Training sessions with the item, oldest first.
        item_places: The last place of the item in that session.
        session_offsets: Session s owns that slice of the next two, shape (n_sessions + 1,).
        session_items: Different items of the session.
        session_places: The last place of each in it.
    """

    item_offsets: Ints
    item_sessions: Ints
    item_places: Ints
    session_offsets: Ints
    session_items: Ints
    session_places: Ints


class Plain:
    """The engine that everybody can have, and what all engines answer.

    Args:
        block: Scores of a block of rows and all items that are in memory at once.

    Attributes:
        name: Under which it is chosen, and its training step found.
        block_rows: Rows that are ranked at once; more do not make a matrix product faster.
        steps_together: Training steps that are worth recording as one; 1: none is recorded.
        records_all: Whether single steps and those of fewer rows are worth it, too.
    """

    name = "plain"
    block_rows = 1024
    steps_together = 1
    records_all = False

    def __init__(self, block: int = 1 << 25) -> None:
        self._block = block

    def describe(self) -> str:
        """Says what computes, in a few words for a log line."""
        return f"{self.name} (torch {torch.__version__}), {torch.get_num_threads()} threads"

    def try_out(self, device: torch.device) -> None:
        """Raises whatever goes wrong where it cannot compute on a device."""

    # --- the schedule of an epoch

    def assign_lanes(self, n_targets: Ints, n_lanes: int) -> tuple[Ints, Ints]:
        """Gives each session, in order, the lane that is free first (of several: the lowest).

        Args:
            n_targets: Steps that each session takes, shape (n_sessions,).
            n_lanes: At least 1.

        Returns:
            Lane and first step of each session, shape (n_sessions,) each.
        """
        lanes, begins = np.empty_like(n_targets), np.empty_like(n_targets)
        free = [(0, lane) for lane in range(n_lanes)]  # (step from which it is free, lane)
        for session, n in enumerate(n_targets.tolist()):
            begins[session], lanes[session] = begin, lane = free[0]
            heapq.heapreplace(free, (begin + n, lane))
        return lanes, begins

    def fill_schedule(
        self, firsts: Ints, n_targets: Ints, begins: Ints, rows: Ints, step_offsets: Ints
    ) -> tuple[Ints, Bools]:
        """Puts each session's events where its steps read them; see `schedule.Schedule`.

        Args:
            firsts: First event of each session, shape (n_sessions,).
            n_targets: Steps of each session, shape (n_sessions,).
            begins: First step of each session, shape (n_sessions,).
            rows: Row of each session, shape (n_sessions,).
            step_offsets: Where each step's rows begin, shape (n_steps + 1,).

        Returns:
            Events read, and whether a session begins there, shape (n_examples,) each.
        """
        nth = np.arange(n_targets.sum()) - np.repeat(np.cumsum(n_targets) - n_targets, n_targets)
        slots = step_offsets[np.repeat(begins, n_targets) + nth] + np.repeat(rows, n_targets)
        positions, starts = np.empty_like(slots), np.empty(len(slots), dtype=np.bool_)
        positions[slots], starts[slots] = np.repeat(firsts, n_targets) + nth, nth == 0
        return positions, starts

    # --- a training

    def reset_states(self, hidden: list[Tensor], starts: Tensor) -> list[Tensor]:
        """Zeroes the states of lanes that begin a session, in place.

        Args:
            hidden: Per layer (lanes, units).
            starts: Shape (lanes,), bool.
        """
        return [h.masked_fill_(starts[:, None], 0.0) for h in hidden]

    def dropout_mask(
        self, values: Tensor, probability: float, generator: torch.Generator
    ) -> Tensor:
        """Returns 0 with the probability, else 1 / (1 − probability), of the shape of `values`."""
        mask = torch.empty_like(values, memory_format=torch.contiguous_format)
        mask.bernoulli_(1 - probability, generator=generator)
        return mask.div_(1 - probability)

    def make_inverse(self, cumulative: Tensor) -> Callable[[Tensor], Tensor]:
        """Returns what turns numbers in [0, 1) into items.

        Args:
            cumulative: Cumulative probabilities of items, 64 bits, ends with 1, shape (n_items,).

        Returns:
            A function of numbers (n,), 64 bits, that returns the first item whose cumulative
            probability exceeds each, shape (n,).
        """
        return lambda numbers: torch.searchsorted(cumulative, numbers, right=True)

    def recorder(self, generator: torch.Generator) -> Record:  # noqa: ARG002
        """Returns what records work of which one piece runs after the other; see `Record`.

        Args:
            generator: Source of its randomness, which goes on with each run.
        """
        return lambda _: None

    # --- ranking

    def tile_rows(self, n_items: int, device: torch.device) -> int:  # noqa: ARG002
        """Returns how many rows of scores of all items are in memory at once."""
        return max(1, self._block // n_items)

    def pairs(self, lists: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
        """Returns rows and items of lists of items, a list a row; shape (n_listed,) each."""
        rows = np.repeat(np.arange(len(lists)), [len(row) for row in lists])
        items = np.array([item for row in lists for item in row], dtype=np.int64)
        return torch.from_numpy(rows).to(device), torch.from_numpy(items).to(device)

    def scores(self, output: Tensor, bias: Tensor, states: Tensor) -> Tensor:
        """Returns ⟨state, output embedding⟩ + bias.

        Args:
            output: Output embeddings, shape (n_items, units).
            bias: Shape (n_items,).
            states: Hidden states of the last layer, shape (n, units).

        Returns:
            Shape (n, n_items), of the type of `output`.
        """
        if len(states) != 1:
            return torch.addmm(bias, states, output.T)
        # a lone row is multiplied another way, in which equal items may get unequal scores
        return torch.addmm(bias, states.repeat(2, 1), output.T)[:1]

    def count_scores(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        targets: Tensor,
        seen: Sequence[Sequence[int]] | None = None,
    ) -> tuple[Ints, Ints]:
        """Counts the items whose score is not below that of a target, and those that equal it.

        Args:
            output: See `scores`.
            bias: See `scores`.
            states: See `scores`.
            targets: Item indices, shape (n,).
            seen: Item indices to leave out, one list of different ones a row, without its target.

        Returns:
            Both counts, shape (n,) each. Of a target whose score is no number, all items and none.
        """
        parts = []
        size = self.tile_rows(len(bias), states.device)
        for first in range(0, len(states), size):
            rows = slice(first, first + size)
            scores = self.scores(output, bias, states[rows])
            # from the same product as the others: computed apart it could round differently
            own = scores.gather(1, targets[rows, None])
            if seen:  # neither below nor equal
                scores[self.pairs(seen[rows], states.device)] = torch.nan
            parts.append(torch.stack(self.count_below(scores, own[:, 0])))
        below, equal = torch.cat(parts, dim=1).cpu().numpy()
        n_seen = np.array([len(row) for row in seen]) if seen else 0
        return len(bias) - below - n_seen, equal

    def count_below(self, scores: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Counts the scores of each row below a number of its own, and those that equal it.

        Args:
            scores: Shape (n, n_items).
            own: Shape (n,).

        Returns:
            Both counts, shape (n,) each.
        """
        own = own[:, None]
        return (scores < own).sum(dim=1), (scores == own).sum(dim=1)

    def best_items(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        k: int,
        seen: Sequence[Sequence[int]] | None = None,
    ) -> Best:
        """Finds the k items with the highest scores, best first, equal scores by index.

        Args:
            output: See `scores`.
            bias: See `scores`.
            states: See `scores`.
            k: How many, at most n_items; fewer where the catalogue, less the seen items and those
                whose score is −inf or no number, has fewer.
            seen: Item indices to leave out, one list a row.
        """
        best = []
        size = self.tile_rows(len(bias), states.device)
        for first in range(0, len(states), size):
            rows = slice(first, first + size)
            scores = self.scores(output, bias, states[rows])
            if seen:
                scores[self.pairs(seen[rows], states.device)] = -torch.inf
            scores.nan_to_num_(nan=-torch.inf, posinf=torch.inf, neginf=-torch.inf)
            best.append(self.best_of(scores, k))
        return Best(*(np.concatenate(arrays) for arrays in zip(*best, strict=True)))

    def make_few_sessions(
        self,
        table: Tensor,  # noqa: ARG002
        layers: Sequence[Mapping[str, Tensor]],  # noqa: ARG002
        output: Tensor,  # noqa: ARG002
        bias: Tensor,  # noqa: ARG002
    ) -> FewSessions | None:
        """Makes all that a few sessions need; None where others do it as fast.

        Args:
            table: Input rows of the items, shape (n_items, input width).
            layers: Weights of the cell of each layer, see `cells.advance`.
            output: See `scores`.
            bias: See `scores`. None of these may change, or have gradients.
        """
        return None

    def make_background(self) -> Background | None:
        """Starts a thread for `FewSessions`; None where there are none."""
        return None

    def best_of(self, scores: Tensor, k: int) -> Best:
        """Finds the k highest scores, best first, equal ones by index; −inf is none.

        Args:
            scores: Shape (n, n_items), n > 0, without NaN.
            k: At most n_items.
        """
        values, items = scores.topk(k, dim=1)
        # topk takes any of the items that tie for the last place
        tied = (scores >= values[:, -1:]).sum(dim=1) > k
        if tied.any():
            items[tied] = _first_k(scores[tied], values[tied, -1:], k)
        items = items.sort(dim=1).values
        values, order = scores.gather(1, items).sort(dim=1, descending=True, stable=True)
        is_there = values > -torch.inf
        found = items.gather(1, order)[is_there], values[is_there], is_there.sum(dim=1)
        return Best(*(tensor.cpu().numpy() for tensor in found))

    def advance_one(self, x: Tensor, h: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """Advances the state of one session by a cell, without gradients.

        Args:
            x: Shape (1, input width).
            h: Shape (1, units).
            weights: See `cells.advance`.

        Returns:
            Shape (1, units).
        """
        return cells.advance(x, h, weights)

    def make_compact(self, output: Tensor, bias: Tensor) -> Compact | None:  # noqa: ARG002
        """Copies output embeddings and biases in less memory, which is read sooner.

        Args:
            output: See `scores`.
            bias: See `scores`.

        Returns:
            The copy, of them as they are now; None where nothing is gained by one.
        """
        return None

    # --- neighbours

    def score_neighbours(
        self,
        items: Ints,
        weights: Doubles,
        offsets: Ints,
        index: SessionIndex,
        k: int,
        m: int,
        normalised: bool,
        distance_decay: float,
    ) -> Doubles:
        """Adds up the items of the most similar sessions; see `baselines.neighbours`.

        Args:
            items: Events of the sessions so far, shape (n_events,).
            weights: What each adds to the similarity with a session that has the item, (n_events,).
            offsets: Row r owns the events offsets[r]:offsets[r + 1], shape (n + 1,).
            index: The training sessions.
            k: Neighbours.
            m: Candidates: the most recent sessions that share an item.
            normalised: Whether similarities are divided by √(items of both sessions).
            distance_decay: λ₃ of STAN; infinity for none.

        Returns:
            Shape (n, n_items).
        """
        scores = np.zeros((len(offsets) - 1, len(index.item_offsets) - 1))
        for row in range(len(scores)):
            events = slice(offsets[row], offsets[row + 1])
            # of an item that is repeated the newest event counts; newest first
            _, nth = np.unique(items[events][::-1], return_index=True)
            newest = events.stop - 1 - np.sort(nth)
            sessions, similarities, shared = _candidates(items[newest], weights[newest], index, m)
            if normalised:
                sizes = np.diff(index.session_offsets)[sessions]
                similarities = similarities / np.sqrt(len(newest) * sizes)
            # of equals the newer first; what differs in the last digits only is equal
            nearest = np.argsort(np.rint(-1e9 * similarities), kind="stable")[:k]
            for session, similarity, place in zip(
                sessions[nearest], similarities[nearest], shared[nearest], strict=True
            ):
                own = slice(index.session_offsets[session], index.session_offsets[session + 1])
                distances = np.abs(index.session_places[own] - place)
                decay = np.exp(-distances / distance_decay)
                scores[row, index.session_items[own]] += similarity * decay
        return scores


def zeros_like(tensor: Tensor) -> Tensor:
    """Returns zeros, on a CPU without taking memory for them before they are written."""
    if tensor.device.type != "cpu":
        return torch.zeros_like(tensor)
    return torch.from_numpy(np.zeros(tensor.shape, tensor.detach().numpy().dtype))


def _candidates(
    items: Ints, weights: Doubles, index: SessionIndex, m: int
) -> tuple[Ints, Doubles, Ints]:
    """The m most recent sessions with any of the items, the newest first.

    Args:
        items: Different items of the session so far, the newest first, shape (n,).
        weights: Of each, shape (n,).
        index: The training sessions.
        m: How many.

    Returns:
        The sessions, their similarities, and the place in them of the newest item they share.
    """
    begins, ends = index.item_offsets[items], index.item_offsets[items + 1]
    # the m most recent of all are among the m most recent of each item
    begins = np.maximum(begins, ends - m)
    entries = np.concatenate([np.arange(*bounds) for bounds in zip(begins, ends, strict=True)])
    weight_of = np.repeat(weights, ends - begins)
    found: Any = index.item_sessions[entries]
    sessions, first, of = np.unique(found, return_index=True, return_inverse=True)
    similarities: Any = np.bincount(of, weights=weight_of, minlength=len(sessions))
    newest = slice(None, -m - 1 if len(sessions) > m else None, -1)
    return sessions[newest], similarities[newest], index.item_places[entries][first][newest]


def _first_k(scores: Tensor, least: Tensor, k: int) -> Tensor:
    """Items with a score > `least` (n, 1), and the first with just that: k a row, by index; (n, k).

    Args:
        scores: Shape (n, n_items), at least k of each row not below `least`.
        least: Exceeded by fewer than k.
        k: How many.
    """
    above, equal = scores > least, scores == least
    n_wanted = k - above.sum(dim=1, keepdim=True)
    chosen = above | (equal & (equal.cumsum(dim=1, dtype=torch.int32) <= n_wanted))
    return chosen.nonzero()[:, 1].view(len(scores), k)
