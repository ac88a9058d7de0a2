"""Ranking by compiled loops; what all engines do is tested with `evaluation.ranking`."""

import pytest
import torch

from gru4rec.compute.compiled.engine import Compiled


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize("n", [1, 2, 5, 11, 16, 17, 257, 300])
@pytest.mark.parametrize("n_items", [6, 515, 612])
def test_copies_tie_wherever_they_are_and_whoever_asks(n: int, n_items: int) -> None:
    generator = torch.Generator().manual_seed(3)
    output = torch.randn(n_items, 100, generator=generator)
    output[-3:] = output[:3]
    states = torch.randn(n, 100, generator=generator)
    engine = Compiled(tile=1)  # 512 items

    _, equal = engine.count_scores(output, torch.zeros(n_items), states, torch.arange(n) % 3)

    assert equal.tolist() == [2] * n


@pytest.mark.parametrize("n_items", [1, 7, 8, 511, 1025])
def test_the_best_of_all_tiles_are_found(n_items: int) -> None:
    generator = torch.Generator().manual_seed(3)
    output, states = (
        torch.randint(-9, 10, shape, generator=generator).float()
        for shape in ((n_items, 3), (17, 3))
    )
    k = min(5, n_items)

    best = Compiled(tile=1).best_items(output, torch.zeros(n_items), states, k)

    scores = states @ output.T
    order = torch.argsort(scores, dim=1, descending=True, stable=True)[:, :k]
    assert best.items.reshape(17, k).tolist() == order.tolist()
    assert best.scores.reshape(17, k).tolist() == scores.gather(1, order).tolist()
