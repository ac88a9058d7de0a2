"""What only a GPU can show: no waiting, and graphs that repeat what they recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, rank_events
from gru4rec.compute import Static, using
from gru4rec.learning.replay import Replay
from gru4rec.learning.trainer import EpochState, Trainer
from gru4rec.storage.training_checkpoints import Checkpoints

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


@pytest.fixture
def n_together(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """An entry for each time that steps were taken together."""
    taken: list[bool] = []
    call = Replay.__call__

    def spy(self: Replay, *arguments: Any) -> Any:
        taken.append(self.works)
        return call(self, *arguments)

    monkeypatch.setattr(Replay, "__call__", spy)
    return taken


def content(gru: GRU4Rec) -> dict[str, Any]:
    state = gru._fitted()
    clock = ["seconds", "events_per_second"]
    return {
        "tensors": dict(enumerate(state.tensors())),
        "generator": state.generator.get_state(),
        "history": gru.history.drop(columns=clock).to_dict(),
    }


def fit(steps_together: int, options: dict[str, Any], log: pd.DataFrame, **more: Any) -> GRU4Rec:
    with using(Static(steps_together=steps_together), "cuda"):
        return GRU4Rec(**options).fit(log, sample_cache_max_size=64 * 50, **more)


@pytest.mark.parametrize("steps_together", [1, 8])
def test_the_same_bits_twice(
    options: dict[str, Any], log: pd.DataFrame, assert_same: Any, steps_together: int
) -> None:
    first, again = (content(fit(steps_together, options, log)) for _ in range(2))
    assert_same(first, again)


def test_graphs_repeat_the_bits_of_single_steps(
    options: dict[str, Any], log: pd.DataFrame, assert_same: Any, n_together: list[bool]
) -> None:
    single, together = (content(fit(n, options, log)) for n in (1, 8))
    assert len(n_together) > 20
    assert_same(single, together)


def test_engines_agree(options: dict[str, Any], log: pd.DataFrame) -> None:
    options = {**options, "dropout_p_embed": 0.0, "dropout_p_hidden": 0.0}
    with using("plain", "cuda"):
        plain = GRU4Rec(**options).fit(log, sample_cache_max_size=64 * 50)
        ranks = rank_events(plain, log).ranks
        best = plain.recommend([[1, 2], [3]], k=9)
    static = fit(8, options, log)
    assert static.history["loss"].tolist() == pytest.approx(plain.history["loss"], rel=1e-4)
    with using("static", "cuda"):
        # of the same weights, so that only products of another shape round otherwise
        np.testing.assert_allclose(rank_events(plain, log).ranks, ranks, atol=1)
        pd.testing.assert_frame_equal(plain.recommend([[1, 2], [3]], k=9), best, rtol=1e-4)


@pytest.fixture
def _waiting_is_an_error() -> Iterator[None]:
    yield
    torch.cuda.set_sync_debug_mode("default")


@pytest.mark.usefixtures("_waiting_is_an_error")
def test_steps_do_not_wait(
    options: dict[str, Any], log: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
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
    with using(Static(), "cuda"):
        GRU4Rec(**options).fit(log)  # draws enough negatives at once
    assert n_steps > 50


def test_a_checkpoint_among_them_goes_on_to_the_same_bits(
    options: dict[str, Any],
    log: pd.DataFrame,
    assert_same: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class EndedError(Exception):
        pass

    after_step = Checkpoints.after_step

    def end(self: Checkpoints, epoch: EpochState) -> None:
        after_step(self, epoch)
        if epoch.step >= 40:
            self.write(epoch)
            raise EndedError

    path = tmp_path / "fit.pth"
    whole = content(fit(8, options, log))
    monkeypatch.setattr(Checkpoints, "after_step", end)
    with pytest.raises(EndedError):
        fit(8, options, log, checkpoint=path)
    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    again = fit(8, options, log, checkpoint=path, resume=True)
    assert_same(content(again), whole)
