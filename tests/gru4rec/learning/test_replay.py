"""Steps that are taken together give the bits of steps that are taken one by one.

On a CPU they are called again, on a GPU they are CUDA graphs.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gru4rec import GRU4Rec
from gru4rec.compute import Record, Static, using
from gru4rec.learning.replay import Replay
from gru4rec.learning.trainer import EpochState, Trainer
from gru4rec.model.losses import LOSSES
from gru4rec.storage.training_checkpoints import Checkpoints

OPTIONS: dict[str, Any] = {
    "layers": [5, 4],
    "batch_size": 4,
    "n_sample": 6,
    "n_epochs": 2,
    "momentum": 0.3,
    "dropout_p_embed": 0.2,
    "dropout_p_hidden": 0.3,
    "logq": 1.0,
}


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def together(device: str, n_steps: int, records_all: bool = False) -> Static:
    """The engine that takes so many steps together."""
    kind = Static
    if device != "cpu":
        kind = pytest.importorskip("gru4rec.compute.fused.engine").Fused
    return kind(steps_together=n_steps, records_all=records_all)


def fit(
    device: str,
    engine: Static,
    n_sessions: int = 60,
    options: dict[str, Any] | None = None,
    **more: Any,
) -> GRU4Rec:
    """Trains with the engine; `more` is for `fit`."""
    n_together = engine.steps_together
    with using(engine, device):
        gru = GRU4Rec(**{**OPTIONS, "device": device, **(options or {})})
        gru.fit(make_log(n_sessions), **more)
    assert engine.steps_together == n_together  # no graph was refused
    return gru


def make_log(n_sessions: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    sessions = np.repeat(np.arange(n_sessions), rng.integers(2, 9, n_sessions))
    items = rng.integers(0, 25, len(sessions))
    return pd.DataFrame({"SessionId": sessions, "ItemId": items, "Time": np.arange(len(sessions))})


def content(gru: GRU4Rec) -> dict[str, Any]:
    state = gru._fitted()
    clock = ["seconds", "events_per_second"]
    return {
        "tensors": dict(enumerate(state.tensors())),
        "generator": state.generator.get_state(),
        "history": gru.history.drop(columns=clock).to_dict(),
    }


@pytest.fixture
def n_together(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many steps were taken together, each time that some were."""
    taken: list[int] = []
    call = Replay.__call__

    def spy(self: Replay, inputs: torch.Tensor, *others: Any) -> Any:
        taken.append(len(self._losses))
        return call(self, inputs, *others)

    monkeypatch.setattr(Replay, "__call__", spy)
    return taken


@settings(max_examples=20)
@given(
    n_steps=st.sampled_from([2, 3, 7]),
    records_all=st.booleans(),
    n_drawn=st.integers(1, 9),
    options=st.fixed_dictionaries(
        {
            "loss": st.sampled_from([*LOSSES]),
            "n_sample": st.sampled_from([0, 6]),
            "batch_size": st.sampled_from([2, 5, 100]),  # 100: more than there are sessions
            "constrained_embedding": st.booleans(),
            "embedding": st.sampled_from([0, 3]),
        }
    ),
)
def test_bits_are_those_of_single_steps(
    assert_same, device, n_steps, records_all, n_drawn, options
) -> None:
    cache = n_drawn * 6  # draws of as many steps: blocks end between and within
    one, other = (
        fit(device, engine, 30, options, sample_cache_max_size=cache)
        for engine in (together(device, 1), together(device, n_steps, records_all))
    )
    assert_same(content(one), content(other))


def test_full_batches_are_taken_together(device: str, n_together: list[int]) -> None:
    gru = fit(device, together(device, 5))
    n_events = 2 * gru.history["events"].iloc[0]
    # but for the first step, the end of the epochs and what is left of their lanes
    assert set(n_together) == {5}
    assert 0.6 * n_events < 4 * sum(n_together) < n_events


def test_all_steps_are_recorded_where_that_is_wished(
    device: str, n_together: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[int] = []
    step = Trainer.step

    def spy(self: Trainer, inputs: torch.Tensor, *others: Any) -> Any:
        alone.append(len(inputs))
        return step(self, inputs, *others)

    monkeypatch.setattr(Trainer, "step", spy)
    fit(device, together(device, 5, records_all=True))
    assert set(n_together) == {5, 1}  # a number of steps that 5 does not divide, and shorter ones
    # only the first of each size is taken as it is
    assert len(alone) == len(set(alone))
    assert alone[0] == 4


def test_where_nothing_can_be_recorded_steps_are_taken_one_by_one(
    assert_same: Any, device: str, n_together: list[int]
) -> None:
    class Refuses(Static):
        def recorder(self, *_: Any) -> Record:
            return lambda _: None

    one, other = (fit(device, engine) for engine in (Static(), Refuses(steps_together=5)))
    assert_same(content(one), content(other))
    assert n_together == []


def test_other_samplers_are_asked_once_a_step(device: str, n_together: list[int]) -> None:
    class Counting:
        n = 0

        def sample(self) -> torch.Tensor:
            self.n += 1
            return torch.arange(6, device=device)

    sampler = Counting()

    class Records(Static):
        def recorder(self, *_: Any) -> Record:
            def refuse(_: object) -> None:
                raise AssertionError("what would not be used is not recorded")

            return refuse

    fit(device, Records(steps_together=5), sampler=sampler)
    assert n_together == []
    assert sampler.n > 2


def test_a_rate_that_decays_and_further_training_are_recorded_anew(
    assert_same: Any, device: str, n_together: list[int]
) -> None:
    grus = []
    for n in (1, 5):
        gru = fit(device, together(device, n), learning_rate_decay=0.5)
        with using(together(device, n), device):
            grus.append(content(gru.fit(make_log(80))))
    assert_same(*grus)
    assert n_together


def test_a_checkpoint_among_them_goes_on_to_the_same_bits(
    assert_same: Any,
    device: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    n_together: list[int],
) -> None:
    class EndedError(Exception):
        pass

    after_step = Checkpoints.after_step

    def end(self: Checkpoints, epoch: EpochState) -> None:
        after_step(self, epoch)
        if epoch.step >= 20:
            self.write(epoch)
            raise EndedError

    engine, cache, path = together(device, 5), 42, tmp_path / "fit.pth"
    whole = fit(device, engine, sample_cache_max_size=cache)
    monkeypatch.setattr(Checkpoints, "after_step", end)
    with pytest.raises(EndedError):
        fit(device, engine, sample_cache_max_size=cache, checkpoint=path)
    monkeypatch.setattr(Checkpoints, "after_step", after_step)
    done = len(n_together)
    again = fit(device, engine, sample_cache_max_size=cache, checkpoint=path, resume=True)
    assert_same(content(again), content(whole))
    assert len(n_together) > done
