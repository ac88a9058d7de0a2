"""The door: one engine for each device, chosen once and told in a log line."""

import os
import subprocess
import sys

import pytest
import torch

from gru4rec import compute
from gru4rec.compute import ENGINES, Plain, engine_of, using
from gru4rec.errors import ConfigError

CPU = torch.device("cpu")


@pytest.fixture
def not_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing has been computed yet, and the environment says nothing."""
    monkeypatch.setattr(compute, "_engines", {})
    monkeypatch.delenv("GRU4REC_COMPUTE", raising=False)
    monkeypatch.delenv("GRU4REC_CUDA_GRAPHS", raising=False)


def raise_import_error() -> Plain:
    raise ImportError("Numba needs another Python")


@pytest.mark.usefixtures("not_chosen")
def test_compiled_loops_compute_on_a_cpu_and_a_line_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level("INFO"):
        assert engine_of(CPU).name == "compiled"
        engine_of(CPU)

    # compiling is told, too, where it had not been done
    [line] = [line for line in caplog.messages if line.startswith("Computing ")]
    assert line.startswith("Computing on cpu: compiled (numba ")
    assert line.endswith(f" {torch.get_num_threads()} threads")


@pytest.mark.usefixtures("not_chosen")
@pytest.mark.parametrize(("device", "name"), [("cuda:1", "static"), ("mps", "plain")])
def test_other_devices_have_theirs(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, device: str, name: str
) -> None:
    monkeypatch.setitem(ENGINES, "fused", raise_import_error)
    with caplog.at_level("INFO"):
        assert engine_of(torch.device(device)).name == name

    kind = device.partition(":")[0]
    assert caplog.messages[0].startswith(f"Computing on {kind}: {name} (torch ")


@pytest.mark.usefixtures("not_chosen")
@pytest.mark.parametrize(("wanted", "name"), [("plain", "plain"), ("compiled", "static")])
def test_the_environment_chooses_the_plain_engine_for_all(
    monkeypatch: pytest.MonkeyPatch, wanted: str, name: str
) -> None:
    monkeypatch.setitem(ENGINES, "fused", raise_import_error)
    monkeypatch.setenv("GRU4REC_COMPUTE", wanted)
    assert engine_of(torch.device("cuda")).name == name


@pytest.mark.usefixtures("not_chosen")
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GRU4REC_COMPUTE", "plain")
    with caplog.at_level("INFO"):
        assert type(engine_of(CPU)) is Plain

    assert "plain" in caplog.messages[0]
    assert caplog.messages[0].endswith(", as GRU4REC_COMPUTE says")
    assert caplog.records[0].levelname == "INFO"


@pytest.mark.usefixtures("not_chosen")
def test_an_engine_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRU4REC_COMPUTE", "fast")
    with pytest.raises(
        ConfigError, match="GRU4REC_COMPUTE is 'fast'; expected plain, compiled, static"
    ):
        engine_of(CPU)
    monkeypatch.setenv("GRU4REC_COMPUTE", "compiled")
    monkeypatch.setitem(ENGINES, "compiled", raise_import_error)
    with pytest.raises(ConfigError, match="'compiled', which cannot be had here: Numba needs"):
        engine_of(CPU)


@pytest.mark.usefixtures("not_chosen")
def test_an_engine_that_cannot_compute_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class ForOthers(Plain):
        def try_out(self, device: torch.device) -> None:
            raise RuntimeError(f"0 active drivers for {device}")

    monkeypatch.setenv("GRU4REC_COMPUTE", "fused")
    monkeypatch.setitem(ENGINES, "fused", ForOthers)
    with pytest.raises(ConfigError, match="cannot be had here: 0 active drivers for cpu"):
        engine_of(CPU)


@pytest.mark.usefixtures("not_chosen")
def test_without_numba_it_is_slower_and_a_warning_says_why(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(ENGINES, "compiled", raise_import_error)

    assert type(engine_of(CPU)) is Plain

    [line] = caplog.messages
    assert "slower than compiled loops, which cannot be had here: Numba needs" in line


def test_an_engine_is_used_for_a_while() -> None:
    before, mine = engine_of(CPU), Plain()
    with using(mine) as found:
        assert engine_of(CPU) is found is mine
    assert engine_of(CPU) is before


WITHOUT_NUMBA = """
import sys
sys.modules["numba"] = sys.modules["llvmlite"] = None
import pandas as pd
from gru4rec import GRU4Rec, batch_eval
from gru4rec.baselines import VSKNN
log = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 7, 8], "Time": [1, 2, 3, 4]})
options = dict(layers=[8], n_sample=4, device="cpu", dropout_p_embed=0.1, momentum=0.1, logq=1.0)
gru = GRU4Rec(**options).fit(log)
assert gru.recommend({"anna": [7]}, k=1, exclude_seen=True)["item"].tolist() == [8]
assert batch_eval(gru, log, cutoff=1) == ({1: 1.0}, {1: 1.0})
assert batch_eval(VSKNN().fit(log), log, cutoff=2)[0] == {2: 1.0}
live = gru.live_session()
live.add(7)
assert len(live.recommend(k=2)) == 2
"""


def test_without_numba_everything_works() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_NUMBA],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("slower than compiled loops") == 1
