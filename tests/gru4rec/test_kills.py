"""Kill -9 at any moment: what is under a final name is whole, and the end is the same."""

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gru4rec import GRU4Rec

SCRIPT = Path(__file__).with_name("training_to_kill.py")


def begin(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as output:
        assert output.readline() == "begins\n"
    return process


def trained(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(folder / "model.pth", weights_only=True)
    for record in content["history"]:
        del record["seconds"], record["events_per_second"]
    return content


def kill_until_done(folder: Path, n_kills: int, seed: int) -> None:
    """Kills a training again and again at random moments; then lets it end."""
    moments = random.Random(seed)  # noqa: S311  (no secrets)
    for _ in range(n_kills):
        process = begin(folder)
        time.sleep(moments.uniform(0, 1.5))
        process.kill()
        process.wait()
        for path in folder.glob("*.pth"):  # no hidden file, which may be broken
            GRU4Rec.load(path, "cpu")
    assert begin(folder).wait() == 0
    assert {path.name for path in folder.glob("*")} >= {"checkpoint.pth", "model.pth"}


@pytest.mark.soak
@pytest.mark.parametrize(("n_kills", "seed"), [(10, seed) for seed in range(5)])
def test_killed_trainings_come_to_the_same_end(
    tmp_path: Path, n_kills: int, seed: int, assert_same: Callable[[Any, Any], None]
) -> None:
    for name in ("whole", "killed"):
        (tmp_path / name).mkdir()
    assert begin(tmp_path / "whole").wait() == 0
    kill_until_done(tmp_path / "killed", n_kills, seed)
    assert_same(trained(tmp_path / "killed"), trained(tmp_path / "whole"))
