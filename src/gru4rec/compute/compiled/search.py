"""The best items of a few states, which are found in the time of reading the table.

Products and comparisons are one loop: between two products of torch all scores would go through
the processor's second cache, and torch takes twice as long for a few states.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (the name that everybody knows)
from torch import Tensor

from gru4rec.compute.compiled import ranking_kernels
from gru4rec.compute.compiled.lanes import LANES, ROWS
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.compiled.ranking import left_out
from gru4rec.compute.plain import Best, Floats, Ints

MOST = 16  # states: more are multiplied sooner by torch
_FEW = MOST - LANES // 2  # of more, groups of eight are as full as groups of four
_WORTH = 16_384  # items that are worth a thread


class Search:
    """Searches for the best items, see `Plain.best_items`, any number of times.

    Args:
        output: See there.
        bias: See there.
        states: The first ones of these are looked at when it runs; at most `MOST`, contiguous.
        largest_k: The most items for each.

    Attributes:
        loop: What runs after `begin`; its units of work are one for each thread.
    """

    def __init__(self, output: Tensor, bias: Tensor, states: Tensor, largest_k: int) -> None:
        most, n_few = len(states), max(0, ROWS - len(output))
        output, bias = output.contiguous(), bias.contiguous()
        if n_few:  # of a very small catalogue
            output, bias = F.pad(output, (0, 0, 0, n_few)), F.pad(bias, (0, n_few), value=-np.inf)
        n_items, self._width = output.shape
        self._n_parts = min(torch.get_num_threads(), -(-n_items // _WORTH))
        self._values = np.empty(self._n_parts * most * largest_k, np.float32)
        self._items = np.empty(self._n_parts * most * largest_k, np.int64)
        self._sizes = np.empty(self._n_parts * most, np.int64)
        self._nothing = left_out(None, most)
        self._n_states, self._k = 0, 0
        self.loop = Loop(
            ranking_kernels.search_part,
            grain=1,
            rows=output,
            biases=bias,
            states=states.view(most, self._width),  # another width is refused
            groups=torch.zeros(self._n_parts, (most + LANES) * self._width),
            scores=torch.empty(self._n_parts, most, ranking_kernels.BLOCK),
            values=torch.from_numpy(self._values),
            items=torch.from_numpy(self._items),
            sizes=torch.from_numpy(self._sizes),
            n_items=n_items,
            width=self._width,
        )

    def begin(self, n_states: int, k: int, seen: Sequence[Sequence[int]] | None) -> None:
        """Makes the loop ready for the first ones of the states."""
        self._n_states, self._k = n_states, k
        self._sizes.fill(0)
        # two groups at a time, as full as they can be
        is_few = n_states <= _FEW and self._width % 2 == 0
        size, steps = (LANES // 2, self._width // 2) if is_few else (LANES, self._width)
        unwanted = left_out(seen, n_states) if seen else self._nothing
        numbers = {"n_states": n_states, "n_groups": -(-n_states // size), "steps": steps, "k": k}
        self.loop.begin(self._n_parts, 1, {**numbers, **unwanted})

    def result(self) -> Best:
        """Returns what was found."""
        values, items, lengths = self.rows()
        is_filled = np.arange(self._k) < lengths[:, None]
        return Best(items[is_filled], values[is_filled], lengths)

    def rows(self) -> tuple[Floats, Ints, Ints]:
        """Returns the same before it is joined: scores and items (n_states, k), and lengths."""
        self.loop.check_sizes()
        n, k, parts = self._n_states, self._k, self._n_parts
        sizes = self._sizes[: parts * n].reshape(parts, n)
        values = self._values[: parts * n * k].reshape(parts, n, k)
        items = self._items[: parts * n * k].reshape(parts, n, k)
        if parts == 1:
            return values[0].copy(), items[0].copy(), sizes[0].copy()
        is_there = np.arange(k) < sizes[:, :, None]
        values = np.concatenate([*np.where(is_there, values, -np.inf)], axis=1)
        # equal scores by index, as the parts are
        order = np.argsort(-values, axis=1, kind="stable")[:, :k]
        both = values, np.concatenate([*items], axis=1)
        values, items = (np.take_along_axis(array, order, axis=1) for array in both)
        return values, items, np.minimum(sizes.sum(axis=0), k)
