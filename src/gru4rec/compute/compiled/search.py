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
from gru4rec.compute.plain import Best

MOST = 16  # states: more are multiplied sooner by torch
_WORTH = 16_384  # items that are worth a thread


class Search:
    """A search for the best items, see `Plain.best_items`: `loop` with `n_parts` does it.

    Args:
        output: See there.
        bias: See there.
        states: Up to `MOST`; see there.
        k: See there.
        seen: See there.

    Attributes:
        loop: Has all its arguments.
        n_parts: Units of its work, one for each thread.
    """

    def __init__(
        self,
        output: Tensor,
        bias: Tensor,
        states: Tensor,
        k: int,
        seen: Sequence[Sequence[int]] | None,
    ) -> None:
        n, n_few = len(states), max(0, ROWS - len(output))
        output, bias = output.contiguous(), bias.contiguous()
        if n_few:  # of a very small catalogue
            output, bias = F.pad(output, (0, 0, 0, n_few)), F.pad(bias, (0, n_few), value=-np.inf)
        groups = _groups(states, output.shape[1])
        self.n_parts = min(torch.get_num_threads(), -(-len(output) // _WORTH))
        self._k = k
        self._values = torch.full((self.n_parts, n, k), -torch.inf)
        self._items = torch.zeros(self.n_parts, n, k, dtype=torch.int64)
        self._sizes = torch.zeros(self.n_parts, n, dtype=torch.int64)
        self.loop = Loop(
            ranking_kernels.search_part,
            grain=1,
            rows=output,
            biases=bias,
            states=groups,
            scores=torch.empty(self.n_parts, n, ranking_kernels.BLOCK),
            values=self._values,
            items=self._items,
            sizes=self._sizes,
            n_items=len(output),
            n_groups=len(groups),
            n_states=n,
            steps=groups.shape[1],
            width=output.shape[1],
            k=k,
            **left_out(seen, n),
        )

    def result(self) -> Best:
        """Returns what was found."""
        self.loop.check_sizes()
        sizes = self._sizes.numpy()
        values, items = self._values[0].numpy(), self._items[0].numpy()
        if self.n_parts > 1:
            values, items = (
                np.concatenate([*parts.numpy()], axis=1) for parts in (self._values, self._items)
            )
            # equal scores by index, as the parts are
            order = np.argsort(-values, axis=1, kind="stable")[:, : self._k]
            values, items = (np.take_along_axis(a, order, axis=1) for a in (values, items))
        lengths = np.minimum(sizes.sum(axis=0), self._k)
        is_filled = np.arange(self._k) < lengths[:, None]
        return Best(items[is_filled], values[is_filled], lengths)


def _groups(states: Tensor, width: int) -> Tensor:
    """Returns states as the loop takes them, shape (n_groups, steps, LANES)."""
    n = len(states)
    states = states.reshape(n, width)  # another width is refused
    if n == 1:
        return F.pad(states, (0, -width % LANES)).view(1, -1, LANES)
    # groups as full as they can be
    units = 2 if (n - 1) % LANES < LANES // 2 and width % 2 == 0 else 1
    size = LANES // units
    groups = F.pad(states, (0, 0, 0, -n % size)).view(-1, size, width // units, units)
    return groups.transpose(1, 2).contiguous().view(-1, width // units, LANES)
