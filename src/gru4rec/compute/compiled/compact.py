"""A copy of the output embeddings in a quarter of their memory, to find what may be best.

Scoring one state takes as long as reading the table, so a smaller one is scored sooner. It gives
bounds: what may be among the best by these is then scored by the table itself.
"""

import torch
from torch import Tensor

from gru4rec.compute.compiled import compact_kernels, ranking
from gru4rec.compute.compiled.loops import Loop

BLOCK = 256  # items whose bytes are kept unit by unit
GROUP = 16  # neighbours that are scored again together
LARGEST_SHARE = 1 / 8  # of all groups; scoring more of them again takes longer than scoring all
_LEVELS = 127  # of a signed byte, to either side
_ROUNDING = 2.0**-24  # of a 32-bit float, relative
_TINY = 2.0**-110  # 2^16 times the smallest 32-bit float that is rounded like all others
_HUGE = 2.0**100


class CompactTable:
    """Output embeddings as bytes, with a scale for each row.

    A row w is kept as s and the whole numbers q = round(w / s), where s = max|wⱼ| / 127, or 2^−100
    if that is more. For a state h let H = Σ|hⱼ|, and let x be the score of the item as
    `ranking.best_items` computes it, its bias b included. Then

        s·(⟨q, h⟩ − E) + b − δ ≤ x ≤ s·(⟨q, h⟩ + E) + b + δ   with   E = H·(0.5001 + 256·γ),

    where both sides are what is computed, too, all numbers being 32-bit floats:

    1. |wⱼ − s·qⱼ| ≤ 0.50002·s: half a level, and what the division is rounded by, less than 2^−16
       levels. So |⟨w, h⟩ − s·⟨q, h⟩| ≤ 0.50002·s·H; 0.5001 has room for the rounding of E itself.
    2. A dot product of n numbers, summed in any order, with or without fused operations, is off by
       at most γ·Σ|aⱼ·hⱼ|, with γ = n·u / (1 − n·u) and u = 2^−24 (Higham, Accuracy and Stability
       of Numerical Algorithms, section 3.1). As |wⱼ| ≤ 127.1·s and |qⱼ| ≤ 127, that is at most
       128·γ·s·H for ⟨w, h⟩, and as much for s·⟨q, h⟩.
    3. What else is rounded, fewer than eight operations, has results of at most
       R = S·(128·H + 2·E) + B, where S is the largest scale and B the largest |b|: 8·u·R of δ.
    4. What is below 2^−126 may be lost, be it a product or, where the processor is told to flush
       such numbers, a number of w, h or b: less than n·2^−110·(1 + H + S), the rest of δ.

    The items are taken in groups of neighbours. The largest lower and upper bound in a group hold
    for it: it has an item with at least the one score, and none above the other. If τ is the k-th
    largest of the lower ones, k items have x ≥ τ − δ. So the best k have, and whatever ties with
    the last of them, and they are in groups whose upper bound is at least τ − δ. Where R exceeds
    2^100, or is no number, a score might overflow, and nothing is said.

    Args:
        output: Output embeddings, shape (n_items, units).
        bias: Shape (n_items,).
    """

    def __init__(self, output: Tensor, bias: Tensor) -> None:
        self._shape = n_items, units = tuple(output.shape)
        n_blocks, width = -(-n_items // BLOCK), -(-units // 4) * 4
        self._blocks = torch.zeros(n_blocks, width, BLOCK, dtype=torch.int8)
        self._scales = torch.zeros(n_blocks, BLOCK)
        self._biases = torch.full((n_blocks, BLOCK), -torch.inf)  # of items that there are not
        self._biases.view(-1)[:n_items] = bias
        for block, rows in enumerate(torch.split(output, BLOCK)):
            scales = (rows.abs().amax(dim=1) / _LEVELS).clamp_(min=2.0**-100)
            self._scales[block, : len(rows)] = scales
            # of a row that has what is no number the scale says so
            levels = (rows / scales[:, None]).round_().nan_to_num_(0.0)
            self._blocks[block, :units, : len(rows)] = levels.T
        self._largest = float(self._scales.max()), float(bias.abs().max())

    def candidates(self, state: Tensor, k: int) -> Tensor | None:
        """See `Compact`."""
        n_items, units = self._shape
        n_blocks, width, _ = self._blocks.shape
        size = float(state.abs().sum(dtype=torch.float64))
        gamma = width * _ROUNDING / (1 - width * _ROUNDING)
        margin = size * (0.5001 + 256 * gamma)
        scale, bias = self._largest
        reach = scale * (128 * size + 2 * margin) + bias
        most = LARGEST_SHARE * n_items / GROUP  # groups
        if k > min(ranking.LARGEST_K, most) or not reach < _HUGE:
            return None
        lows, highs = torch.empty(2, n_blocks * BLOCK // GROUP)
        given = {"scales": self._scales, "biases": self._biases, "lows": lows, "highs": highs}
        given["state"] = torch.zeros(width)
        given["state"][:units] = state[0]
        sizes = {"width": width, "block": BLOCK, "groups": BLOCK // GROUP}
        loop = Loop(compact_kernels.bound_groups, grain=64, blocks=self._blocks, **sizes, **given)
        loop(n_blocks, margin=margin)
        slack = 8 * _ROUNDING * reach + width * _TINY * (1 + size + scale)
        least = float(lows.topk(min(k, len(lows))).values[-1]) - 2 * slack
        groups = torch.nonzero(highs >= least)
        if len(groups) > most:
            return None
        items = (groups * GROUP + torch.arange(GROUP)).flatten()
        return items[items < n_items]
