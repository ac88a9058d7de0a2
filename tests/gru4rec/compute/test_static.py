"""What the engine of GPUs does otherwise; `test_ranking` and others hold its answers."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from gru4rec.compute import ENGINES, Plain, Static, engine_of, static
from gru4rec.errors import ConfigError

CUDA = SimpleNamespace(device=torch.device("cuda"))


@pytest.mark.parametrize(
    ("given", "n_steps", "told"),
    [
        ("", 32, ", CUDA graphs of 32 steps"),
        ("1", 32, ", CUDA graphs of 32 steps"),
        ("0", 1, ")"),
        ("all", 32, ", CUDA graphs of 32 steps and of one"),
    ],
)
def test_graphs_are_made_as_wished(
    monkeypatch: pytest.MonkeyPatch, given: str, n_steps: int, told: str
) -> None:
    monkeypatch.setattr("gru4rec.compute._engines", {})
    monkeypatch.setitem(ENGINES, "fused", refuse)
    monkeypatch.setenv("GRU4REC_CUDA_GRAPHS", given)
    engine = engine_of(CUDA.device)
    assert engine.steps_together == n_steps
    assert engine.records_all == (given == "all")
    assert engine.describe().endswith(told)


def refuse() -> Plain:
    raise ImportError("no module named triton")


def test_without_triton_it_is_slower_and_a_warning_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gru4rec.compute._engines", {})
    monkeypatch.setitem(ENGINES, "fused", refuse)
    assert type(engine_of(CUDA.device)) is Static
    [line] = caplog.messages
    assert line.endswith("Triton, which cannot be had here: no module named triton")


def test_another_wish_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gru4rec.compute._engines", {})
    monkeypatch.setitem(ENGINES, "fused", refuse)
    monkeypatch.setenv("GRU4REC_CUDA_GRAPHS", "yes")
    with pytest.raises(ConfigError, match="GRU4REC_CUDA_GRAPHS is 'yes'; expected 0 to run"):
        engine_of(CUDA.device)


def test_a_refused_graph_is_one_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing:
        def __init__(self, _: object) -> None:
            pass

        def capture(self, _: object) -> None:
            raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(static, "_Graphs", Refusing)
    engine = Static(steps_together=8)
    assert engine.recorder(CUDA)(lambda: None) is None  # type: ignore[arg-type]
    assert engine.steps_together == 1
    [line] = caplog.messages
    assert line.endswith(
        "no CUDA graph can be made: operation not permitted when stream is capturing"
    )


@pytest.mark.parametrize("k", [1, 3, 12])
def test_ties_for_the_last_place_and_nan_are_told_as_by_the_plain_engine(k: int) -> None:
    generator = torch.Generator().manual_seed(1)
    states = torch.randint(-1, 2, (40, 3), generator=generator).float()
    output = torch.randint(-1, 2, (12, 3), generator=generator).float()
    bias = torch.zeros(12)
    bias[[2, 7]] = torch.tensor([torch.nan, -torch.inf])
    seen = [[row % 12, (5 * row) % 12] for row in range(40)]
    for left_out in (None, seen):
        best = [
            e.best_items(output, bias, states, k, left_out) for e in (Plain(), Static(block=60))
        ]
        for one, other in zip(*best, strict=True):
            assert one.dtype == other.dtype
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(("free", "rows"), [(1 << 40, (1 << 28) // 1000), (1 << 25, 1048), (0, 1)])
def test_tiles_are_sized_to_the_memory_that_is_free(
    monkeypatch: pytest.MonkeyPatch, free: int, rows: int
) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda _: (free // 2, 1 << 42))
    monkeypatch.setattr("torch.cuda.memory_reserved", lambda _: free)
    monkeypatch.setattr("torch.cuda.memory_allocated", lambda _: free // 2)
    assert Static().tile_rows(1000, CUDA.device) == rows
    assert Static().tile_rows(1000, torch.device("cpu")) == Plain().tile_rows(1000, CUDA.device)
