"""Ranks and best items of Triton's kernels, interpreted on the CPU, are those of torch."""

import numpy as np
import pytest
import torch

from gru4rec.compute import Plain, Static

Fused = pytest.importorskip("gru4rec.compute.fused.engine", reason="no Triton here").Fused
pytestmark = pytest.mark.skipif(torch.cuda.is_available(), reason="test_gpu does this on the GPU")


def draw(n_items: int, n_rows: int = 3, size: int = 900) -> dict[str, torch.Tensor]:
    """States and items of whole numbers, of which products of any shape are the same."""
    generator = torch.Generator().manual_seed(1)
    output, states = (
        torch.randint(-size, size, (n, 2), generator=generator).float() for n in (n_items, n_rows)
    )
    bias = torch.randint(-size, size, (n_items,), generator=generator).float()
    return {"output": output, "bias": bias, "states": states}


def assert_equal_answers(drawn: dict[str, torch.Tensor], k: int, fast: Static) -> None:
    n_items, n_rows = len(drawn["bias"]), len(drawn["states"])
    targets = torch.arange(n_rows) % n_items
    seen = [[(row + 5) % n_items, (row + 11) % n_items] for row in range(n_rows)]
    for left_out in (None, seen):
        answers = [
            (
                *engine.count_scores(**drawn, targets=targets, seen=left_out),
                *engine.best_items(**drawn, k=k, seen=left_out),
            )
            for engine in (Plain(), fast)
        ]
        for one, other in zip(*answers, strict=True):
            np.testing.assert_array_equal(one, other)


# few items; some parts, of which the last is short; two programs to count a row
@pytest.mark.parametrize(("n_items", "k"), [(13, 13), (37, 20), (5_003, 20), (40_000, 3)])
def test_answers_are_those_of_the_plain_engine(n_items: int, k: int) -> None:
    assert_equal_answers(draw(n_items), k, Fused())


def test_ties_for_the_last_place_nan_and_infinity_too() -> None:
    drawn = draw(400, n_rows=8, size=3)
    drawn["bias"][[2, 7, 90]] = torch.tensor([torch.nan, -torch.inf, torch.inf])
    assert_equal_answers(drawn, 5, Fused())


def test_where_few_items_have_a_score_no_other_is_best() -> None:
    drawn = draw(200)
    drawn["bias"][5:] = -torch.inf
    best = Fused().best_items(**drawn, k=9)
    assert best.lengths.tolist() == [5] * 3
    assert_equal_answers(drawn, 9, Fused())


def test_more_items_than_a_program_can_hold_are_left_to_torch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gru4rec.compute.fused.ranking.MOST_CANDIDATES", 64)
    monkeypatch.setattr(
        "gru4rec.compute.fused.ranking.highest", lambda *_: pytest.fail("is not asked")
    )
    assert_equal_answers(draw(5_003), 20, Fused())


def test_a_line_of_the_log_names_it() -> None:
    assert ", Triton " in Fused().describe()
    Fused().try_out(torch.device("cpu"))
