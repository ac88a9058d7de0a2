"""The engine for GPUs: the host never waits for a number before the end of a piece of work.

It uses torch alone, so it runs on any device; on a CPU it is slower than compiled loops.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gru4rec.compute.plain import Best, Plain, Record

logger = logging.getLogger(__name__)

_capturing = threading.Lock()  # a capture waits for the device, where another must not run
_BLOCK, _MOST = 1 << 25, 1 << 28  # scores in memory at once: elsewhere, on a GPU


class Static(Plain):
    """Does what `Plain` does, with all transfers to the host at the end.

    Args:
        block: See `Plain`; None: much on a GPU, where the memory is free, and as `Plain` elsewhere.
        steps_together: Training steps that are recorded and repeated as one.
        records_all: Whether single steps and those of fewer rows are recorded, too.
    """

    name = "static"
    block_rows = 1 << 16  # between two of them the device is waited for

    def __init__(
        self, block: int | None = None, steps_together: int = 1, records_all: bool = False
    ) -> None:
        super().__init__(block or _BLOCK)
        self._most = block or _MOST
        self.steps_together, self.records_all = steps_together, records_all

    def describe(self) -> str:
        """See `Plain`."""
        graphs = f", CUDA graphs of {self.steps_together} steps" if self.steps_together > 1 else ""
        if graphs and self.records_all:
            graphs += " and of one"
        return f"{self.name} (torch {torch.__version__}){graphs}"

    def recorder(self, generator: torch.Generator) -> Record:
        """See `Plain`; where CUDA refuses, a warning says so and nothing is recorded again."""
        if generator.device.type != "cuda":
            return lambda work: work
        graphs = _Graphs(generator)

        def record(work: Callable[[], None]) -> Callable[[], None] | None:
            try:
                return graphs.capture(work)
            except RuntimeError as error:
                logger.warning("Training runs step by step: no CUDA graph can be made: %s", error)
                self.steps_together = 1
                return None

        return record

    def tile_rows(self, n_items: int, device: torch.device) -> int:
        """See `Plain`; fewer where memory is short."""
        if device.type != "cuda":
            return super().tile_rows(n_items, device)
        free, _ = torch.cuda.mem_get_info(device)
        free += torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        # a score has four bytes, and as many are made of it
        return max(1, min(self._most, free // 32) // n_items)

    def best_items(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        k: int,
        seen: Sequence[Sequence[int]] | None = None,
    ) -> Best:
        """See `Plain`."""
        found, size = [], self.tile_rows(len(bias), states.device)
        for first in range(0, len(states), size):
            rows = slice(first, first + size)
            scores = self.scores(output, bias, states[rows])
            if seen:
                scores[self.pairs(seen[rows], states.device)] = -torch.inf
            found.append(self._best_of(scores, k))
        values, items, is_unclear = (
            torch.cat(parts).cpu().numpy() for parts in zip(*found, strict=True)
        )
        unclear = np.flatnonzero(is_unclear).tolist()
        if unclear:
            some = [seen[row] for row in unclear] if seen else None
            best = super().best_items(output, bias, states[unclear], k, some)
            is_there = np.arange(k) < best.lengths[:, None]
            values[unclear] = _padded(best.scores, is_there, -np.inf)
            items[unclear] = _padded(best.items, is_there, 0)
        is_there = values > -np.inf
        return Best(items[is_there], values[is_there], is_there.sum(axis=1))

    def highest(self, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """Finds the k highest scores of each row, best first, equal ones by index.

        Args:
            scores: Shape (n, n_items).
            k: At most n_items.

        Returns:
            Scores, infinite where one is no number, and items, shape (n, k) each; of those that
            tie for the last place any.
        """
        values, items = scores.topk(k, dim=1)
        items, order = items.sort(dim=1)
        values, order = values.gather(1, order).sort(dim=1, descending=True, stable=True)
        values.nan_to_num_(nan=torch.inf, posinf=torch.inf, neginf=-torch.inf)
        return values, items.gather(1, order)

    def _best_of(self, scores: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
        """The k highest scores, best first, equal ones by index.

        Args:
            scores: Shape (n, n_items).
            k: At most n_items.

        Returns:
            Scores and items, shape (n, k) each, and for which rows they say nothing, shape (n,):
            items tie for the last place, of which any may have been taken, or a score is no number.
        """
        n_more = min(k + 1, scores.shape[1])
        values, items = self.highest(scores, n_more)
        last = values[:, k - 1]
        is_tied = (values[:, -1] == last) & (last > -torch.inf) & (n_more > k)
        return values[:, :k], items[:, :k], is_tied | (values[:, 0] == torch.inf)


def _padded(
    given: npt.NDArray[Any], is_there: npt.NDArray[np.bool_], value: float
) -> npt.NDArray[Any]:
    """Puts numbers where they belong in an array of another value, of the shape of `is_there`."""
    padded = np.full(is_there.shape, value, given.dtype)
    padded[is_there] = given
    return padded


class _Graphs:
    """CUDA graphs that share their memory, as they never run at the same time.

    Args:
        generator: Source of their randomness.
    """

    def __init__(self, generator: torch.Generator) -> None:
        self._generator = generator
        # one for all, as torch keeps room for products on each stream
        self._stream = torch.cuda.Stream(generator.device)  # type: ignore[no-untyped-call]
        self._pool: Any = None

    def capture(self, work: Callable[[], None]) -> Callable[[], None]:
        """Returns what repeats, as a CUDA graph, the kernels that `work` would have run now."""
        with _capturing:
            before = self._generator.clone_state()
            try:
                return self._capture(work)
            except RuntimeError:
                # torch may leave the state of the generator in the capture
                self._generator.graphsafe_set_state(before)
                raise

    def _capture(self, work: Callable[[], None]) -> Callable[[], None]:
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._generator)
        device = self._generator.device
        # where the capture fails, torch stays on the stream that it captured
        with (
            torch.cuda.device(device),
            torch.cuda.stream(torch.cuda.current_stream(device)),
            torch.cuda.graph(
                graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"
            ),
        ):
            work()
        # the capture has written to where graphs read the state of the generator
        torch.cuda.current_stream(device).wait_stream(self._stream)
        self._pool = graph.pool()
        replay: Callable[[], None] = graph.replay
        return replay
