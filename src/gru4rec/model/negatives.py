"""Negative items, drawn by popularity (CIKM 2018, section 3.1)."""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gru4rec.compute import engine_of

# draws are made for many steps at once, but more than this gains nothing
_BLOCK = 1 << 20


def most_draws(n_sample: int, cache_size: int) -> int:
    """Returns how many draws are kept in memory: of whole steps, and of one at least."""
    size = max(1, n_sample)
    return max(1, min(cache_size, _BLOCK) // size) * size


class NegativeSampler(Protocol):
    """Whatever gives the extra negatives of a step."""

    def sample(self) -> Tensor:
        """Returns item indices, shape (n_sample,), int64."""


class SamplerState(NamedTuple):
    """Where a sampler stands.

    Attributes:
        generator: State of its generator before the draws at hand were made.
        used: Steps that these were used for.
    """

    generator: Tensor
    used: int


class PopularitySampler:
    """Draws items with replacement, P(item) ∝ count(item)^alpha.

    The cumulative distribution and the draws are 64-bit: on catalogues of millions, 32 bits can
    never hit the rare items.

    Args:
        counts: Events of each item, shape (n_items,).
        alpha: 0 draws uniformly, 1 by popularity.
        n_sample: Draws of one step.
        generator: Source of randomness; its device makes the draws.
        cache_size: Most draws kept in memory; at least one step's are.
        device: Where the indices are wanted.
    """

    def __init__(
        self,
        counts: Tensor,
        alpha: float,
        n_sample: int,
        generator: torch.Generator,
        cache_size: int,
        device: torch.device,
    ) -> None:
        weights = counts.to("cpu", torch.float64) ** alpha  # a GPU sums in no fixed order
        cumulative = torch.cumsum(weights, 0) / weights.sum()
        cumulative[-1] = 1.0
        cumulative = cumulative.to(generator.device)
        self._invert = engine_of(cumulative.device).make_inverse(cumulative)
        self._n_sample = n_sample
        self._n_steps = most_draws(n_sample, cache_size) // max(1, n_sample)
        self._generator = generator
        self._device = device
        self._block = torch.empty(0, n_sample, dtype=torch.int64, device=device)
        self._next = 0
        self._before = generator.get_state()

    @property
    def n_steps(self) -> int:
        """Steps whose negatives are drawn together."""
        return self._n_steps

    @property
    def state(self) -> SamplerState:
        """Where it stands."""
        return SamplerState(self._before, self._next)

    def restore(self, state: SamplerState) -> None:
        """Goes on from where another sampler of the same items and sizes stood.

        Draws again what that one had drawn, so the generator is left as it was right after.

        Raises:
            ValueError: No sampler of these sizes stands there.
        """
        if not 0 <= state.used <= self._n_steps:
            raise ValueError(f"{state.used} of {self._n_steps} draws are said to be used")
        if state.used:
            self._generator.set_state(state.generator)
            self._renew()
        self._next = state.used

    def sample(self) -> Tensor:
        """Returns item indices, shape (n_sample,), int64."""
        if self._next == len(self._block):
            self._renew()
        self._next += 1
        return self._block[self._next - 1]

    def ahead(self, n_steps: int) -> Tensor | None:
        """Returns what `sample` would return in the next steps, shape (n_steps, n_sample).

        None where not all of it is at hand: the generator, which others use between two steps, is
        drawn from when `sample` would.
        """
        if self._next == len(self._block):
            self._renew()
        if self._next + n_steps > len(self._block):
            return None
        self._next += n_steps
        return self._block[self._next - n_steps : self._next]

    def _renew(self) -> None:
        self._before = self._generator.get_state()
        self._block = self._draw()
        self._next = 0

    def _draw(self) -> Tensor:
        uniform = torch.rand(
            self._n_steps * self._n_sample,
            dtype=torch.float64,
            generator=self._generator,
            device=self._generator.device,
        )
        items = self._invert(uniform)
        return items.view(self._n_steps, self._n_sample).to(self._device)
