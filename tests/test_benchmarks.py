"""Seeds are trained and compared as asked; the reference stands beside what it was measured on."""

from pathlib import Path

import pandas as pd
import pytest
from benchmarks import parity, serving
from benchmarks.parity import Measured, beside, config_of, main

SMALL = ["model.layers=[4]", "model.n_epochs=1", "model.n_sample=8", "model.device=cpu"]


def make_events(n_sessions: int) -> pd.DataFrame:
    rows = [(s, (s + i) % 7, 10 * s + i) for s in range(n_sessions) for i in range(3)]
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_events(30).to_parquet(tmp_path / "train_full.parquet")
    make_events(9).to_csv(tmp_path / "test.csv", index=False)
    return tmp_path


def test_each_seed_and_their_mean_and_deviation_are_printed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([str(folder), "--seeds", "3", *SMALL])
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines[:3]] == ["seed 1", "seed 2", "seed 3"]
    recalls = [float(line.split()[3].rstrip(",")) for line in lines[:3]]
    mean, deviation = (lines[-2].split("|")[2].split(" ± ")[i] for i in (0, 1))
    assert float(mean) == pytest.approx(pd.Series(recalls).mean(), abs=1e-4)
    assert float(deviation) == pytest.approx(pd.Series(recalls).std(), abs=1e-4)
    assert "not known" in lines[-1]


def test_seeds_differ_and_repeat(folder: Path) -> None:
    train, test = (parity.read_part(folder, name) for name in ("train_full", "test"))
    config = config_of(SMALL)
    first, again = (parity.measure(config, train, test, n_seeds=2) for _ in range(2))
    assert first == again
    assert first["mrr"][0] != first["mrr"][1]


def test_the_reference_stands_beside_its_options_and_data_only(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = {"recall": Measured(0.5, 0.1, 10), "mrr": Measured(0.25, 0.1, 10)}
    monkeypatch.setattr(parity, "REFERENCE", {(90, 27): measured})
    monkeypatch.setattr(parity, "OPTIONS", {"layers": [4], "n_epochs": 1, "n_sample": 8})
    main([str(folder), "--seeds", "2", "model.device=cpu"])
    assert "| 0.5000 ± 0.1000 (10 seeds) |" in capsys.readouterr().out
    main([str(folder), "--seeds", "2", "model.device=cpu", "model.n_epochs=2"])
    assert "(10 seeds)" not in capsys.readouterr().out


def test_the_difference_is_tested() -> None:
    reference, difference = beside(Measured(0.50, 0.01, 10), Measured(0.50, 0.02, 10))
    assert (reference, difference) == ("0.5000 ± 0.0200 (10 seeds)", "+0.0000 (p = 1.00)")
    assert beside(Measured(0.60, 0.01, 10), Measured(0.50, 0.02, 10))[1] == "+0.1000 (p = 0.00)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["model.layres=[4]"], "layres: unknown option; did you mean 'layers'"),
        (["epochs=5"], "'epochs=5' is no option; write it as model.n_epochs=5"),
    ],
)
def test_mistakes_are_one_message(folder: Path, options: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main([str(folder), *options])


def test_a_folder_without_parts_is_named(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"has no train_full\.parquet or train_full\.csv"):
        main([str(tmp_path)])


def test_clients_load_a_server(capsys: pytest.CaptureFixture[str]) -> None:
    serving.main(["--items", "50", "--units", "4", "--clients", "1", "3", "--seconds", "0.5"])
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert [row.split(" | ")[0] for row in rows] == ["| 1", "| 3"]
    for row in rows:
        assert row.count("|") == header.count("|")
        p50, p95, p99 = (float(cell.removesuffix(" ms")) for cell in row.split(" | ")[2:5])
        assert 0 < p50 <= p95 <= p99
