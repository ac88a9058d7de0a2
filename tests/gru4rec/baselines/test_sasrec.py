"""SASRec's parts against hand numbers and PyTorch's own, and that the whole learns."""

import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru4rec import ConfigError, TrainingDivergedError, batch_eval
from gru4rec.baselines import SASRec
from gru4rec.baselines.sasrec.losses import calibrated_cross_entropy, sampled_softmax
from gru4rec.baselines.sasrec.training import RowAdam, cut_windows
from gru4rec.baselines.sasrec.transformer import Transformer

SMALL: dict[str, Any] = {"units": 8, "n_sample": 8, "n_epochs": 2, "device": "cpu"}


def log_of(sessions: list[list[int]]) -> pd.DataFrame:
    rows = [(number, item) for number, items in enumerate(sessions) for item in items]
    frame = pd.DataFrame(rows, columns=["SessionId", "ItemId"])
    return frame.assign(Time=range(len(frame)))


RING = [[(first + step) % 10 for step in range(4)] for first in range(10)] * 3


def scores_after(model: SASRec, *sessions: list[int]) -> torch.Tensor:
    items = model.vocabulary.encode(list(itertools.chain(*sessions)))
    scores = model.score_next(items, np.cumsum([0, *map(len, sessions)]))
    order = model.vocabulary.encode(np.sort(model.vocabulary.ids))
    return torch.from_numpy(scores[:, order].astype(np.float64))


def test_sampled_softmax_by_hand() -> None:
    scores = torch.tensor([[2.0, 3.0, 1.0, 4.0], [1.0, 5.0, 7.0, 2.0]]).log()
    candidates = torch.tensor([5, 6, 6, 9])  # targets 5 and 6; 6 and 9 were drawn

    plain = sampled_softmax(scores, candidates, torch.zeros(4))
    corrected = sampled_softmax(scores, candidates, torch.tensor([4.0, 3.0, 3.0, 2.0]).log())

    # the second row's own item was drawn: it is no negative there
    expected = torch.tensor([2 / (2 + 3 + 1 + 4), 5 / (5 + 1 + 2)])
    torch.testing.assert_close(plain, -expected.log())
    # the positive is there for certain, and is not corrected
    expected = torch.tensor([2 / (2 + 3 / 3 + 1 / 3 + 4 / 2), 5 / (5 + 1 / 4 + 2 / 2)])
    torch.testing.assert_close(corrected, -expected.log())


@pytest.mark.parametrize(("t", "beta"), [(0.0, 1.0), (0.5, 3 / 4), (1.0, 1 / 2)])
def test_calibrated_cross_entropy_by_hand(t: float, beta: float) -> None:
    # σ(log 3) = 3/4, σ(0) = 1/2; two drawn of the four items that are no target: α = 1/2
    scores = torch.tensor([[math.log(3), 9.0, 0.0, math.log(3)], [9.0, 0.0, math.log(3), 5.0]])
    candidates = torch.tensor([1, 2, 3, 2])

    losses = calibrated_cross_entropy(scores, candidates, n_items=5, calibration=t)

    first = beta * math.log(3 / 4) + math.log(1 / 2) + math.log(1 / 4)
    second = beta * math.log(1 / 2) + math.log(1 / 4)  # 2 is the row's own item
    torch.testing.assert_close(losses, torch.tensor([-first / 3, -second / 3]))


@pytest.mark.parametrize("gated", [True, False])
def test_a_later_item_never_changes_an_earlier_state(gated: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    network = Transformer(8, 2, 2, max_length=6, gated=gated, generator=generator)
    embedded = torch.randn(3, 6, 8, generator=generator)
    changed = embedded.clone()
    changed[:, 4] = embedded[:, 4].flip(-1)
    with torch.no_grad():
        states, others, prefix = (
            network(x, lambda x: x) for x in (embedded, changed, embedded[:, :4])
        )

    torch.testing.assert_close(states[:, :4], others[:, :4])
    assert (states[:, 4:] != others[:, 4:]).any(dim=2).all()  # it and those after it do change
    torch.testing.assert_close(states[:, :4], prefix)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=8), st.integers(1, 5))
def test_every_event_but_the_first_of_a_session_is_a_target_once(
    lengths: list[int], max_length: int
) -> None:
    offsets = np.cumsum([0, *lengths])

    windows = cut_windows(offsets, max_length)

    targets = sorted(np.concatenate([same.ravel() + 1 for same in windows] or [[]]).tolist())
    assert targets == sorted(set(range(offsets[-1])) - set(offsets.tolist()))
    for same in windows:
        assert same.shape[1] <= max_length
        assert (np.diff(same, axis=1) == 1).all()


def test_row_adam_is_adam_where_all_rows_are_used() -> None:
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(5, 3, generator=generator)
    parameter = table.clone().requires_grad_()
    rows, adam = RowAdam(table), torch.optim.Adam([parameter], lr=0.1, betas=(0.9, 0.98))
    for _ in range(4):
        gradient = torch.randn(5, 3, generator=generator)
        parameter.grad = gradient
        adam.step()
        order = torch.randperm(5, generator=generator)
        rows.update(order, gradient[order], 0.1)
    torch.testing.assert_close(table, parameter.detach())

    before = table.clone()
    rows.update(torch.tensor([3]), torch.ones(1, 3), 0.1)
    assert (table != before).any(dim=1).tolist() == [False, False, False, True, False]


@pytest.mark.parametrize("block", ["ligr", "sasrec"])
@pytest.mark.parametrize("loss", ["softmax", "gbce"])
def test_it_learns_what_only_the_first_item_tells(block: Any, loss: Any) -> None:
    # after 0, 1 or 2 and then 3 comes 4, 5 or 6; a window of three is the least that tells
    log = log_of([[first, 3, first + 4] for first in (0, 1, 2)] * 20)
    options = SMALL | {"units": 64, "n_epochs": 40, "batch_size": 16, "dropout": 0.1}

    model = SASRec(**options, block=block, loss=loss, sample_alpha=0.0, max_length=3).fit(log)

    assert scores_after(model, [0, 3], [1, 3], [2, 3]).argmax(dim=1).tolist() == [4, 5, 6]


def test_with_log_q_scores_are_logarithms_of_probabilities() -> None:
    # after 0 come 1, 2, 3 and 4 with 1/2, 1/4, 1/8 and 1/8; negatives are drawn by popularity
    log = log_of([[0, item] for item in (1, 1, 1, 1, 2, 2, 3, 4)] * 20)
    options = SMALL | {"n_epochs": 40, "learning_rate": 0.01, "batch_size": 32, "dropout": 0.0}

    scores = scores_after(SASRec(**options, sample_alpha=1.0).fit(log), [0])[0, 1:]

    expected = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 8], dtype=torch.float64)
    torch.testing.assert_close(torch.softmax(scores, 0), expected, atol=0.06, rtol=0)


def test_other_sessions_of_a_call_change_nothing() -> None:
    model = SASRec(**SMALL).fit(log_of(RING))
    sessions = [[1, 2], [3], [4, 5, 6], [2, 2], [9, 8, 7, 1]]

    together = scores_after(model, *sessions)

    alone = torch.cat([scores_after(model, session) for session in sessions])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=1e-5)


def test_only_the_last_items_are_read() -> None:
    model = SASRec(**SMALL, max_length=2).fit(log_of(RING))

    assert torch.equal(scores_after(model, [9, 1, 2]), scores_after(model, [1, 2]))
    assert not torch.equal(scores_after(model, [9, 2]), scores_after(model, [1, 2]))


def test_a_seed_decides_all_and_nothing_else_is_drawn_from() -> None:
    log, before = log_of(RING), torch.get_rng_state()

    one, same, other = (SASRec(**SMALL, seed=seed).fit(log) for seed in (1, 1, 2))

    assert torch.equal(torch.get_rng_state(), before)
    asked = [[1, 2], [3]]
    assert torch.equal(scores_after(one, *asked), scores_after(same, *asked))
    assert not torch.allclose(scores_after(one, *asked), scores_after(other, *asked))


def test_the_learning_rate_falls_by_epoch() -> None:
    log = log_of(RING)
    once, decayed, constant = (
        scores_after(SASRec(**SMALL | {"n_epochs": n}, learning_rate_decay=decay).fit(log), [1])
        for n, decay in ((1, 1.0), (3, 1e-12), (3, 1.0))
    )
    torch.testing.assert_close(decayed, once)
    assert not torch.allclose(constant, once)


def test_dropout_acts_in_training_only() -> None:
    log = log_of(RING)
    without, with_some = (
        scores_after(SASRec(**SMALL, dropout=dropout).fit(log), [1]) for dropout in (0.0, 0.5)
    )
    assert not torch.allclose(without, with_some)
    model = SASRec(**SMALL, dropout=0.5).fit(log)
    assert torch.equal(scores_after(model, [1]), scores_after(model, [1]))


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    with pytest.raises(TrainingDivergedError, match=r"SASRec is not finite in epoch [12]; a "):
        SASRec(**SMALL, learning_rate=1e38).fit(log_of(RING))


def test_evaluated_as_any_model() -> None:
    options = SMALL | {"units": 16, "n_epochs": 30, "learning_rate": 0.01}
    log = log_of(RING)
    recall, mrr = batch_eval(SASRec(**options).fit(log), log, cutoff=1)
    assert (recall[1], mrr[1]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_heads": 3}, "n_heads 3 does not divide units 8"),
        ({"loss": "bpr"}, "loss"),
        ({"block": "gru"}, "block"),
        ({"calibration": 1.5}, "calibration"),
        ({"dropout": 1.0}, "dropout"),
        ({"learning_rate_decay": 0.0}, "learning_rate_decay"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SASRec(**SMALL | options)
