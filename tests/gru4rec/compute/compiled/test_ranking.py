"""Ranking by compiled loops; what all engines do is tested with `evaluation.ranking`."""

import pytest
import torch

from gru4rec.compute.compiled.engine import Compiled


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize("n", [1, 2, 5, 16, 17, 300])
@pytest.mark.parametrize("left", [3, 100], ids=str)
def test_copies_tie_where_few_items_are_left_for_the_last_tile(n: int, left: int) -> None:
    generator = torch.Generator().manual_seed(3)
    n_items = 512 + left
    output = torch.randn(n_items, 100, generator=generator)
    output[-3:] = output[:3]
    states = torch.randn(n, 100, generator=generator)
    engine = Compiled(tile=1)  # 512 items

    _, equal = engine.count_scores(output, torch.zeros(n_items), states, torch.arange(n) % 3)

    assert equal.tolist() == [2] * n


@pytest.mark.parametrize("n", [1, 4, 5, 16, 17])
@pytest.mark.parametrize("n_items", [1, 7, 8, 511, 1025])
def test_the_best_of_all_tiles_are_found(n: int, n_items: int) -> None:
    generator = torch.Generator().manual_seed(n)
    output, states = (
        torch.randint(-9, 10, shape, generator=generator).float()
        for shape in ((n_items, 3), (n, 3))
    )
    k = min(5, n_items)

    best = Compiled(tile=1).best_items(output, torch.zeros(n_items), states, k)

    scores = states @ output.T
    order = torch.argsort(scores, dim=1, descending=True, stable=True)[:, :k]
    assert best.items.reshape(n, k).tolist() == order.tolist()
    assert best.scores.reshape(n, k).tolist() == scores.gather(1, order).tolist()
