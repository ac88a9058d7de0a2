import pytest
import torch

from gru4rec.model.states import reset_states

pytestmark = pytest.mark.usefixtures("engine")


def test_reset_zeroes_starting_lanes_and_drops_finished_ones() -> None:
    hidden = [torch.ones(3, 2), torch.ones(3, 1)]

    first, second = reset_states(hidden, torch.tensor([True, False]))

    assert first.tolist() == [[0, 0], [1, 1]]
    assert second.tolist() == [[0], [1]]
