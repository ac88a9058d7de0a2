"""The engine for NVIDIA GPUs where there is Triton."""

import torch
import triton
from torch import Tensor

from gru4rec.compute.fused import ranking
from gru4rec.compute.fused.streams import on
from gru4rec.compute.static import Static


class Fused(Static):
    """Does what `Static` does, with kernels of its own; see `learning.fused_step`, too."""

    name = "fused"

    def describe(self) -> str:
        """See `Plain`."""
        return f"{super().describe()}, Triton {triton.__version__}"

    def try_out(self, device: torch.device) -> None:
        """See `Plain`: kernels need a compiler, and a GPU that Triton knows."""
        self.count_below(torch.zeros(1, 1, device=device), torch.zeros(1, device=device))

    def count_below(self, scores: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """See `Plain`."""
        with on(scores.device):
            return ranking.count(scores, own)

    def highest(self, scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
        """See `Static`."""
        part = ranking.size_of_parts(scores.shape[1], k)
        if part is None:
            return super().highest(scores, k)
        with on(scores.device):
            return ranking.highest(scores, k, part)
