from typing import Any

import numpy as np
import pytest

from gru4rec.evaluation import summarise


def test_a_rank_between_two_counts_from_the_next_cutoff_on() -> None:
    recall, mrr = summarise(np.array([1.5, 4.0]), [1, 2])

    assert recall == {1: 0, 2: 1 / 2}
    assert mrr == {1: 0, 2: pytest.approx(1 / 2 * 2 / 3)}


@pytest.mark.parametrize("cutoff", [3, [3], (3,), np.array([3])])
def test_cutoffs_are_one_or_several_numbers(cutoff: Any) -> None:
    recall, mrr = summarise(np.array([2.0]), cutoff)

    assert recall == {3: 1}
    assert mrr == {3: 1 / 2}
