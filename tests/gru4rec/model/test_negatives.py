import math

import numpy as np
import pytest
import torch

from gru4rec.model.negatives import PopularitySampler

pytestmark = pytest.mark.usefixtures("engine")

CPU = torch.device("cpu")


def make_sampler(
    counts: list[int] | torch.Tensor,
    alpha: float,
    n_sample: int,
    seed: int = 1,
    cache_size: int = 1_000_000,
) -> PopularitySampler:
    generator = torch.Generator().manual_seed(seed)
    return PopularitySampler(
        torch.as_tensor(counts), alpha, n_sample, generator, cache_size, torch.device("cpu")
    )


@pytest.mark.parametrize("alpha", [0, 0.5, 1])
def test_items_are_drawn_by_their_count_to_the_power_of_alpha(alpha: float) -> None:
    counts = [1, 4, 9, 16, 25, 36, 49, 64, 81, 100]
    weights = np.array(counts) ** float(alpha)
    n = 100_000

    drawn = make_sampler(counts, alpha, n).sample()

    expected = n * weights / weights.sum()
    observed = np.bincount(drawn, minlength=10)
    # χ² with 9 degrees of freedom exceeds 27.9 once in a thousand
    assert ((observed - expected) ** 2 / expected).sum() < 27.9


def test_draws_are_with_replacement() -> None:
    assert len(make_sampler([1, 1], 0, 10).sample()) == 10


def test_rare_items_of_a_large_catalogue_can_be_drawn() -> None:
    # one item has 95 % of the events; of the others each has one in a hundred million, which is
    # less than the distance of 32-bit numbers below 1
    n_rare = 5_000_000
    counts = torch.ones(1 + n_rare, dtype=torch.int64)
    counts[0] = 95_000_000
    n = 1_000_000

    drawn = make_sampler(counts, 1, n).sample().numpy()

    rare = drawn[drawn > 0]
    assert len(rare) == pytest.approx(0.05 * n, abs=4 * math.sqrt(0.05 * 0.95 * n))
    # as many different ones as chance gives (one in 200 is a repeat; with 32 bits, one in 30)
    different = n_rare * (1 - math.exp(-len(rare) / n_rare))
    assert len(np.unique(rare)) == pytest.approx(different, abs=4 * math.sqrt(0.005 * len(rare)))
    # and evenly among neighbours
    observed = np.bincount(rare % 8, minlength=8)
    expected = len(rare) / 8
    # χ² with 7 degrees of freedom exceeds 24.3 once in a thousand
    assert ((observed - expected) ** 2 / expected).sum() < 24.3


@pytest.mark.parametrize(
    ("cache_size", "drawn_at_once"),
    [(1, 30), (30, 30), (89, 60), (90, 90), (100, 90)],
)
def test_the_cache_bounds_the_draws_in_memory(cache_size: int, drawn_at_once: int) -> None:
    generator, expected = torch.Generator().manual_seed(1), torch.Generator().manual_seed(1)
    sampler = PopularitySampler(torch.ones(5), 0, 30, generator, cache_size, CPU)

    sampler.sample()

    torch.rand(drawn_at_once, dtype=torch.float64, generator=expected)
    assert torch.equal(generator.get_state(), expected.get_state())


def test_the_cache_is_used_up_before_it_is_drawn_anew() -> None:
    generator = torch.Generator().manual_seed(1)
    sampler = PopularitySampler(torch.ones(1000), 0, 30, generator, 60, CPU)

    first = sampler.sample()
    state = generator.get_state()
    second = sampler.sample()

    assert torch.equal(generator.get_state(), state)
    assert not torch.equal(first, second)
    third = sampler.sample()
    assert not torch.equal(generator.get_state(), state)
    assert not torch.equal(first, third)


def test_draws_ahead_are_those_that_would_come() -> None:
    one, other = (make_sampler([5, 3, 9, 1], 0.5, 2, cache_size=10) for _ in range(2))  # five steps
    expected = [one.sample().tolist() for _ in range(12)]
    assert other.ahead(6) is None  # never at hand at once
    found = other.ahead(3).tolist()
    assert other.ahead(3) is None  # two are left
    found += [other.sample().tolist() for _ in range(2)]
    found += other.ahead(5).tolist() + other.ahead(2).tolist()
    assert found == expected
    assert (one.state.used, other.state.used) == (2, 2)
    assert torch.equal(one.state.generator, other.state.generator)


def test_the_seed_decides_the_draws() -> None:
    counts = [3] * 1000

    def draws(seed: int) -> list[int]:
        sampler = make_sampler(counts, 0.5, 20, seed, cache_size=40)
        return [item for _ in range(5) for item in sampler.sample().tolist()]

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_draws_are_indices() -> None:
    drawn = make_sampler([5, 0, 5], 1, 1000).sample()

    assert drawn.dtype == torch.int64
    # an item without events is never drawn in proportion to its events
    assert set(drawn.tolist()) == {0, 2}


@pytest.mark.parametrize("alpha", [0.0, 0.75, 3.0])
@pytest.mark.parametrize("n_items", [1, 2, 3, 1000])
def test_draws_are_those_of_a_binary_search(n_items: int, alpha: float) -> None:
    counts = torch.randint(1, 1000, (n_items,), generator=torch.Generator().manual_seed(2))
    drawn = make_sampler(counts, alpha, 500_000, seed=3).sample()

    weights = counts.double() ** alpha
    cumulative = torch.cumsum(weights, 0) / weights.sum()
    cumulative[-1] = 1
    uniform = torch.rand(500_000, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    assert torch.equal(drawn, torch.searchsorted(cumulative, uniform, right=True))


def test_numbers_at_the_very_end_of_a_part_are_found() -> None:
    from gru4rec.compute.compiled.sampling_kernels import invert

    n = 49  # k / 49 · 49 is not always k in floating-point numbers
    cumulative = np.arange(1, n + 1) / n
    cumulative[-1] = 1
    guide = np.searchsorted(cumulative, np.arange(n) / n, side="right")
    edges = np.concatenate([cumulative[:-1], np.nextafter(cumulative, 0)])
    out = [invert(cumulative, guide, edge) for edge in edges]
    assert np.array_equal(out, np.searchsorted(cumulative, edges, side="right"))
