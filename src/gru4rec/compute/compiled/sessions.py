"""A few sessions go on and get their best items, in loops that need nothing of Python between them.

All that a batch of them needs is made once for a model, so that little is left to do for each.
"""

import itertools
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from gru4rec.compute.compiled import gru_kernels
from gru4rec.compute.compiled.loops import Loop
from gru4rec.compute.compiled.ranking import LARGEST_K
from gru4rec.compute.compiled.search import MOST, Search
from gru4rec.compute.plain import Floats, Ints, Went

MOST_STEPS = 16 * MOST  # of all sessions


class FewSessions:
    """See `compute.FewSessions`.

    Args:
        table: Input rows of items, shape (n_items, width).
        layers: Weights of the cell of each layer, see `cells.advance`.
        output: See `Plain.best_items`.
        bias: See there.

    Attributes:
        calls: Addresses of the loops and of their arguments, in the order in which they are to
            run, shape (n, 2).
    """

    def __init__(
        self,
        table: Tensor,
        layers: Sequence[Mapping[str, Tensor]],
        output: Tensor,
        bias: Tensor,
    ) -> None:
        self._rows, self._ends = np.zeros(MOST_STEPS, np.int64), np.zeros(MOST, np.int64)
        self._hidden: list[Floats] = []
        self._reading: list[Loop] = []
        table, rows = table.contiguous(), torch.from_numpy(self._rows)
        for weights in layers:
            is_original = "bias" in weights
            units = weights["weight_h" if is_original else "weight_hh"].shape[1]
            hidden, outputs = np.zeros((MOST, units), np.float32), torch.zeros(MOST_STEPS, units)
            loop = Loop(
                gru_kernels.read_by_original_gru if is_original else gru_kernels.read_by_gru,
                grain=MOST,
                table=table,
                rows=rows,
                ends=torch.from_numpy(self._ends),
                hidden=torch.from_numpy(hidden),
                outputs=outputs,
                **{name: weight.contiguous() for name, weight in weights.items()},
                n_rows=len(table),
                width=table.shape[1],
                units=units,
                gates=3 * units,
            )
            self._hidden.append(hidden)
            self._reading.append(loop)
            # the inputs of the next layer are these, in their order
            table, rows = outputs, torch.arange(MOST_STEPS)
        self._search = Search(output, bias, torch.from_numpy(self._hidden[-1]), LARGEST_K)
        loops = [*self._reading, self._search.loop]
        self.calls: Ints = np.array([(loop.address, loop.pointer) for loop in loops])
        self._n = 0

    def ready(
        self,
        hidden: Sequence[Floats],
        items: Sequence[Sequence[int]],
        k: int,
        seen: Sequence[Sequence[int]] | None,
    ) -> bool:
        """See `compute.FewSessions`."""
        n, flat = len(items), [item for session in items for item in session]
        if n > MOST or len(flat) > MOST_STEPS or k > LARGEST_K:
            return False
        for layer, given in zip(self._hidden, hidden, strict=True):
            layer[:n] = given
        self._rows[: len(flat)] = flat
        self._ends[:n] = [*itertools.accumulate(map(len, items))]
        for loop in self._reading:
            loop.begin(n, n, {"n_steps": len(flat)})
        self._search.begin(n, k, seen)
        self._n = n
        return True

    def run(self) -> None:
        """See `compute.FewSessions`."""
        for loop in (*self._reading, self._search.loop):
            loop.run_begun()

    def result(self) -> list[Went]:
        """See `compute.FewSessions`."""
        for loop in self._reading:
            loop.check_sizes()
        scores, items, lengths = self._search.rows()
        layers = [[row.tobytes() for row in layer[: self._n]] for layer in self._hidden]
        rows = zip(items, scores, lengths.tolist(), zip(*layers, strict=True), strict=True)
        return [Went(some[:n], of_them[:n], hidden) for some, of_them, n, hidden in rows]
