"""What does not fit is refused with the options that ask for it, before and while it is tried."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gru4rec import GRU4Rec, ModelConfig, OutOfMemoryError, TrainingConfig
from gru4rec.model import memory
from gru4rec.model.build import architecture_of
from gru4rec.model.memory import describe_needs, memory_of_training, why_out_of_memory
from gru4rec.storage import model_file

CPU = torch.device("cpu")


def needs(n_new: int = 1000, is_new: bool = True, **options: Any) -> dict[str, int]:
    config = ModelConfig(**options)
    return memory_of_training(config, architecture_of(config), TrainingConfig(), n_new, is_new)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory so")
def test_a_training_that_memory_does_not_suffice_for_changes_nothing(tmp_path: Path) -> None:
    script = Path(__file__).with_name("fits_too_large.py")
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "model.pth")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    continued, fresh, last = done.stdout.splitlines()
    for message in (continued, fresh):
        assert re.match(r"memory ran out when (700 MB|1\.4 GB) more were asked for;", message)
        assert "1.4 GB for mini-batches (batch_size 5,000 × (batch_size + n_sample 30,000)" in (
            message
        )
    assert continued.endswith("the model is as it was before")
    assert fresh.endswith("the model has no weights")
    assert last == "no weights"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"layers": [2**30]}, "GRU layers (layers [1073741824])"),
        ({"n_sample": 2**30, "layers": [100_000]}, "mini-batches (batch_size 64 × "),
        ({"batch_size": 2**30}, "mini-batches (batch_size 1,073,741,824 × "),
        ({"n_sample": 2**31 - 1, "batch_size": 1}, "mini-batches"),
    ],
)
def test_absurd_sizes_are_refused_before_memory_is_asked_for(
    options: dict[str, Any], part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_memory_of", lambda _: 1 << 36)
    wanted = needs(**options)
    with pytest.raises(OutOfMemoryError, match=r"the options ask for .*B of memory, and cpu has"):
        memory.refuse_absurd_sizes(wanted, CPU)
    assert max(wanted, key=lambda what: wanted[what]).startswith(part)
    assert part in describe_needs(wanted)


def test_what_fits_is_not_refused() -> None:
    memory.refuse_absurd_sizes(needs(), CPU)


@pytest.mark.parametrize("embedding", [{}, {"constrained_embedding": False}])
def test_tables_are_counted_as_they_are_made(embedding: dict[str, Any]) -> None:
    n_items, units = 1000, 100
    width = units + 1 + (3 * units if embedding else 0)
    tables, *_ = needs(n_items, momentum=0.1, **embedding).values()
    assert tables == 3 * 4 * n_items * width
    known, layers, *_ = needs(0, is_new=False).values()
    assert (known, layers) == (0, 4 * (6 * units * units + 6 * units))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            RuntimeError(
                "DefaultCPUAllocator: not enough memory: you tried to allocate 2000 bytes."
            ),
            "2 kB more",
        ),
        (
            RuntimeError(
                "DefaultCPUAllocator: can't allocate memory: you tried to allocate 5 bytes"
            ),
            "5 bytes more",
        ),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.50 GiB. GPU"), "2.50 GiB"),
        (RuntimeError("MPS backend out of memory. Tried to allocate 3.00 GB on"), "3.00 GB"),
        (MemoryError("Unable to allocate 7.28 TiB for an array with shape (1,)"), "7.28 TiB more"),
        (MemoryError(), "MemoryError"),
        (OutOfMemoryError("the options ask for"), "the options ask for"),
    ],
)
def test_errors_of_memory_are_known(error: BaseException, reason: str) -> None:
    assert reason in why_out_of_memory(error)


@pytest.mark.parametrize("error", [RuntimeError("shapes"), ValueError("out of memory"), OSError()])
def test_other_errors_are_not_of_memory(error: BaseException) -> None:
    assert why_out_of_memory(error) == ""


def test_what_torch_and_numpy_raise_is_known() -> None:
    with pytest.raises(RuntimeError) as by_torch:
        torch.empty(1 << 60, dtype=torch.uint8)
    with pytest.raises(MemoryError) as by_numpy:
        np.empty(1 << 60, dtype=np.uint8)
    assert "1.15 EB" in why_out_of_memory(by_torch.value)
    assert "EiB" in why_out_of_memory(by_numpy.value)


def test_a_model_that_does_not_fit_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr(model_file, "check_archive", fail)
    with pytest.raises(OutOfMemoryError, match=r"model\.pth cannot be read: memory ran out"):
        GRU4Rec.load(tmp_path / "model.pth", "cpu")
