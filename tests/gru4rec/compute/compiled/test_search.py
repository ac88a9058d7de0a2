"""The best items of a few states; what all engines do is tested with `evaluation.ranking`."""

import pytest
import torch

from gru4rec.compute.compiled.search import MOST, Search


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize("n", [1, 2, 4, 5, 11, MOST])
@pytest.mark.parametrize("n_items", [1, 7, 8, 511, 1025, 40_000])
@pytest.mark.parametrize("width", [3, 4])
@pytest.mark.parametrize("leaves_out", [False, True])
def test_the_best_are_found_equal_ones_by_index(
    n: int, n_items: int, width: int, leaves_out: bool
) -> None:
    generator = torch.Generator().manual_seed(n)
    output, bias, states = (
        torch.randint(-3, 4, shape, generator=generator).float()  # many scores are equal
        for shape in ((n_items, width), (n_items,), (n, width))
    )
    k = min(5, n_items)
    scores = states @ output.T + bias
    seen = [scores[row].topk(min(row, n_items)).indices.tolist() for row in range(n)]
    if leaves_out:
        for row, left_out in enumerate(seen):
            scores[row, left_out] = -torch.inf

    search = Search(output, bias, torch.cat([states, states]), largest_k=2 * k)
    search.begin(2 * n, 2 * k, None)  # what it has found before is forgotten
    search.loop.run_begun()
    search.begin(n, k, seen if leaves_out else None)
    search.loop.run_begun()
    best = search.result()

    values, order = torch.sort(scores, dim=1, descending=True, stable=True)
    is_there = values[:, :k] > -torch.inf
    assert best.lengths.tolist() == is_there.sum(dim=1).tolist()
    assert best.items.tolist() == order[:, :k][is_there].tolist()
    assert best.scores.tolist() == values[:, :k][is_there].tolist()
