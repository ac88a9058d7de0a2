"""What only a GPU can show; `test_replay` runs there, too."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, rank_events
from gru4rec.compute import Plain, Static, using
from gru4rec.learning.trainer import Trainer
from gru4rec.model import losses

pytestmark = pytest.mark.gpu

OPTIONS: dict[str, Any] = {
    "layers": [24],
    "batch_size": 16,
    "n_sample": 64,
    "n_epochs": 2,
    "momentum": 0.3,
    "dropout_p_embed": 0.2,
    "dropout_p_hidden": 0.3,
    "logq": 1.0,
    "device": "cuda",
}
KINDS: dict[str, dict[str, Any]] = {
    "cross-entropy": {},
    "bpr-max": {"loss": "bpr-max"},
    "two layers, separate": {
        "layers": [24, 16],
        "constrained_embedding": False,
        "embedding": 8,
    },
    "no embedding": {"constrained_embedding": False},
    # more than one program for the weights of a layer and for a row of a table
    "wide": {
        "layers": [260],
        "batch_size": 48,
        "constrained_embedding": False,
        "embedding": 520,
    },
}


@pytest.fixture(params=KINDS)
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**OPTIONS, **KINDS[request.param]}


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    sessions = np.repeat(np.arange(600), rng.integers(2, 9, 600))
    items = rng.integers(0, 200, len(sessions))
    return pd.DataFrame({"SessionId": sessions, "ItemId": items, "Time": np.arange(len(sessions))})


@pytest.fixture(params=["static", "fused"])
def kind(request: pytest.FixtureRequest) -> Callable[..., Static]:
    if request.param == "static":
        return Static
    return pytest.importorskip("gru4rec.compute.fused.engine").Fused


def fit(engine: Static, options: dict[str, Any], log: pd.DataFrame) -> GRU4Rec:
    together = engine.steps_together
    with using(engine, "cuda"):
        gru = GRU4Rec(**options).fit(log, sample_cache_max_size=64 * 50)
    assert engine.steps_together == together  # no graph was refused
    return gru


@pytest.mark.parametrize("steps_together", [1, 8])
def test_the_same_bits_twice(
    kind: Any, options: dict[str, Any], log: pd.DataFrame, assert_same: Any, steps_together: int
) -> None:
    first, again = (
        fit(kind(steps_together=steps_together), options, log)._fitted() for _ in range(2)
    )
    for one, other in zip(first.tensors(), again.tensors(), strict=True):
        assert_same(one, other)


def test_engines_agree(kind: Any, options: dict[str, Any], log: pd.DataFrame) -> None:
    options = {**options, "dropout_p_embed": 0.0, "dropout_p_hidden": 0.0}
    with using("plain", "cuda"):
        plain = GRU4Rec(**options).fit(log, sample_cache_max_size=64 * 50)
        ranks = rank_events(plain, log).ranks
        best = plain.recommend([[1, 2], [3]], k=9)
    fast = fit(kind(steps_together=8), options, log)
    assert fast.history["loss"].tolist() == pytest.approx(plain.history["loss"], rel=1e-4)
    with using(kind(), "cuda"):
        # of the same weights, so that only products of another shape round otherwise
        np.testing.assert_allclose(rank_events(plain, log).ranks, ranks, atol=1)
        pd.testing.assert_frame_equal(plain.recommend([[1, 2], [3]], k=9), best, rtol=1e-4)


@pytest.fixture
def _waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("_waiting_is_an_error")
def test_steps_do_not_wait(
    kind: Any, options: dict[str, Any], log: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, n_steps = Trainer.step, 0

    def strict(self: Trainer, *arguments: Any) -> Any:
        nonlocal n_steps
        n_steps += 1
        # the first ones make cuBLAS ready, and may
        torch.cuda.set_sync_debug_mode("error" if n_steps > 3 else "default")
        try:
            return step(self, *arguments)
        finally:
            torch.cuda.set_sync_debug_mode("default")

    monkeypatch.setattr(Trainer, "step", strict)
    with using(kind(), "cuda"):
        GRU4Rec(**options).fit(log)  # draws enough negatives at once
    assert n_steps > 50


@pytest.mark.parametrize("n_items", [37, 5_003, 500_009])
def test_ranks_and_best_items_are_exact(kind: Any, n_items: int) -> None:
    generator = torch.Generator("cuda").manual_seed(1)
    # whole numbers, of which products of any shape are the same
    output, states = (
        torch.randint(-900, 900, (n, 2), generator=generator, device="cuda").float()
        for n in (n_items, 70)
    )
    bias = torch.randint(-900, 900, (n_items,), generator=generator, device="cuda").float()
    bias[[3, 9]] = torch.tensor([torch.nan, -torch.inf], device="cuda")
    targets = torch.arange(70, device="cuda") % n_items
    seen = [[(row + 5) % n_items, (row + 11) % n_items] for row in range(70)]
    plain, fast = Plain(), kind()
    for left_out in (None, seen):
        for compute in (
            lambda engine, out=left_out: engine.count_scores(output, bias, states, targets, out),
            lambda engine, out=left_out: engine.best_items(output, bias, states, 20, out),
        ):
            for one, other in zip(compute(plain), compute(fast), strict=True):
                np.testing.assert_array_equal(one, other)


def test_where_a_graph_is_refused_steps_go_on_one_by_one(
    kind: Any,
    log: pd.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def waits(scores: torch.Tensor, log_q: torch.Tensor | None = None) -> torch.Tensor:
        assert scores.sum().item() != 0.5
        return losses.cross_entropy(scores, log_q)

    monkeypatch.setitem(losses.LOSSES, "cross-entropy", losses.Loss(waits, takes_log_q=True))
    engine = kind(steps_together=8)
    with using(engine, "cuda"):
        gru = GRU4Rec(**OPTIONS).fit(log)
    assert engine.steps_together == 1
    assert gru.history["loss"].notna().all()
    assert sum("no CUDA graph can be made" in message for message in caplog.messages) == 1
