"""The engine of compiled loops, for CPUs."""

import os
from collections.abc import Callable, Mapping, Sequence

import numba
import numpy as np
import torch
from torch import Tensor

from gru4rec.compute.compiled import (
    gru_kernels,
    neighbour_kernels,
    ranking,
    row_kernels,
    sampling_kernels,
    schedule_kernels,
)
from gru4rec.compute.compiled.background import Background
from gru4rec.compute.compiled.compact import CompactTable
from gru4rec.compute.compiled.large_pages import use_large_pages
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.compiled.search import MOST, Search
from gru4rec.compute.compiled.sessions import FewSessions
from gru4rec.compute.plain import Best, Bools, Compact, Doubles, Ints, Plain, SessionIndex


class Compiled(Plain):
    """Does what `Plain` does, in loops that are compiled on first use.

    Args:
        tile: Scores of a tile in memory at once; 4 MB stay in a processor's cache.
    """

    name = "compiled"

    def __init__(self, tile: int = 1 << 20) -> None:
        super().__init__()
        self._tile = tile

    def describe(self) -> str:
        """See `Plain`."""
        return f"{self.name} (numba {numba.__version__}), {torch.get_num_threads()} threads"

    def assign_lanes(self, n_targets: Ints, n_lanes: int) -> tuple[Ints, Ints]:
        """See `Plain`."""
        lanes, begins = np.empty_like(n_targets), np.empty_like(n_targets)
        schedule_kernels.assign_lanes(n_targets, n_lanes, lanes, begins)
        return lanes, begins

    def fill_schedule(
        self, firsts: Ints, n_targets: Ints, begins: Ints, rows: Ints, step_offsets: Ints
    ) -> tuple[Ints, Bools]:
        """See `Plain`."""
        positions = np.empty(step_offsets[-1], dtype=np.int64)
        starts = np.empty(step_offsets[-1], dtype=np.bool_)
        schedule_kernels.fill_schedule(
            firsts, n_targets, begins, rows, step_offsets, positions, starts
        )
        return positions, starts

    def reset_states(self, hidden: list[Tensor], starts: Tensor) -> list[Tensor]:
        """See `Plain`."""
        for h in hidden:
            row_kernels.zero_rows(h.numpy(), starts.numpy())
        return hidden

    def dropout_mask(
        self, values: Tensor, probability: float, generator: torch.Generator
    ) -> Tensor:
        """See `Plain`."""
        mask = torch.empty_like(values, memory_format=torch.contiguous_format)
        key = torch.empty((), dtype=torch.int64).random_(generator=generator)
        row_kernels.fill_mask(mask.numpy(), int(key), probability)
        return mask

    def make_inverse(self, cumulative: Tensor) -> Callable[[Tensor], Tensor]:
        """See `Plain`."""
        n_items = len(cumulative)
        # where a search may begin: at the item that holds the lower end of its part of [0, 1)
        parts = torch.arange(n_items, dtype=torch.float64) / n_items
        guide = torch.searchsorted(cumulative, parts, right=True)
        use_large_pages(cumulative, guide)
        constants = {"cumulative": cumulative, "guide": guide, "n_items": n_items}
        loop = Loop(sampling_kernels.invert_all, grain=8192, **constants)

        def invert(numbers: Tensor) -> Tensor:
            items = torch.empty(len(numbers), dtype=torch.int64)
            loop(len(items), numbers=numbers, items=items)
            return items

        return invert

    def count_scores(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        targets: Tensor,
        seen: Sequence[Sequence[int]] | None = None,
    ) -> tuple[Ints, Ints]:
        """See `Plain`."""
        return ranking.count_scores(output, bias, states, targets, seen, self._tile)

    def best_items(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        k: int,
        seen: Sequence[Sequence[int]] | None = None,
    ) -> Best:
        """See `Plain`."""
        if k > ranking.LARGEST_K:
            return super().best_items(output, bias, states, k, seen)
        if len(states) > MOST:
            return ranking.best_items(output, bias, states, k, seen, self._tile)
        search = Search(output, bias, states.contiguous(), k)
        search.begin(len(states), k, seen)
        search.loop.run_begun()
        return search.result()

    def make_few_sessions(
        self,
        table: Tensor,
        layers: Sequence[Mapping[str, Tensor]],
        output: Tensor,
        bias: Tensor,
    ) -> FewSessions | None:
        """See `Plain`."""
        return FewSessions(table, layers, output, bias)

    def make_background(self) -> Background | None:
        """See `Plain`."""
        return Background() if os.name == "posix" else None

    def advance_one(self, x: Tensor, h: Tensor, weights: Mapping[str, Tensor]) -> Tensor:
        """See `Plain`."""
        out = torch.empty_like(h)
        advance = gru_kernels.original_gru_of_one if "bias" in weights else gru_kernels.gru_of_one
        arrays = {name: weight.numpy() for name, weight in weights.items()}
        advance(x[0].numpy(), h[0].numpy(), **arrays, out=out[0].numpy())
        return out

    def make_compact(self, output: Tensor, bias: Tensor) -> Compact | None:
        """See `Plain`."""
        return CompactTable(output, bias)

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
        """See `Plain`."""
        scores = np.zeros((len(offsets) - 1, len(index.item_offsets) - 1))
        neighbour_kernels.score_neighbours(
            items, weights, offsets, *index, k, m, normalised, distance_decay, scores
        )
        return scores
