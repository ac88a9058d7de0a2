"""Seeds are trained and compared as asked; the reference stands beside what it was measured on."""

import socket
import threading
import time
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
from benchmarks import decay, gpu, parity, rival
from benchmarks.parity import Measured, beside, config_of, main
from benchmarks.serving import __main__ as serving
from benchmarks.serving.clients import load, post

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


def rows_of(text: str) -> list[dict[str, str]]:
    """The rows of the table in a text, by the names of its columns."""
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line[:1] == "|"]
    header, _, *rows = table
    return [dict(zip(header, row, strict=True)) for row in rows]


SMALL_SERVER = ["--items", "50", "--units", "4", "--seconds", "0.5", "--clients", "1", "3"]


@pytest.mark.parametrize(
    ("case", "labels"),
    [
        ([], ["1", "3"]),
        (["share", "--share", "0.5"], ["as fast as they can", "50% of that"]),
        (["connections", "--connections", "20"], ["0", "20"]),
    ],
)
def test_clients_load_a_server(
    case: list[str], labels: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    serving.main([*case, *SMALL_SERVER])
    rows = rows_of(capsys.readouterr().out)
    assert [next(iter(row.values())).partition(":")[0] for row in rows] == labels
    for row in rows:
        p50, p95, p99 = (float(row[f"p{n}"].removesuffix(" ms")) for n in (50, 95, 99))
        assert 0 < p50 <= p95 <= p99


def test_what_sessions_take_is_measured(capsys: pytest.CaptureFixture[str]) -> None:
    serving.main(["memory", "--sessions", "20", *SMALL_SERVER, "--", "--max-k", "30"])
    rows = rows_of(capsys.readouterr().out)
    assert [row["sessions are kept"] for row in rows] == ["60 min", "0.1 min"]
    assert all(float(row["before"].removesuffix(" MB")) > 0 for row in rows)


def test_a_late_request_counts_from_when_it_was_due() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer_slowly() -> None:
            connection, _ = listening.accept()
            with connection:
                while connection.recv(1000):
                    time.sleep(0.02)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer_slowly)
        thread.start()
        port = listening.getsockname()[1]
        # twenty come in the time of one: each waits for all before it
        answers = load(port, lambda *_: post("/", {}), 1, 0.4, rate=1000)
        thread.join()
    assert answers[0].seconds < answers[-1].seconds
    assert answers[-1].seconds > 0.2


def test_learning_rates_are_compared_seed_by_seed(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = pd.read_parquet(folder / "train_full.parquet")
    assert decay.newest_sessions(events, 0.1)["SessionId"].unique().tolist() == [27, 28, 29]

    small = [*SMALL, "model.n_epochs=2"]
    decay.main([str(folder), "--seeds", "2", "--factors", "1", "0.001", "--newest", "0.5", *small])

    first, *lines = capsys.readouterr().out.splitlines()
    assert first == "45 events of 15 sessions"
    same, _, other, _ = (line for line in lines if "@20 |" in line)
    assert same.startswith("| 1.0 | recall@20 |")
    assert "| +0.0000 ± 0.0000 |" in same
    assert other.startswith("| 0.001 | recall@20 |")


def test_rivals_are_tuned_and_measured_alike(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for part, n_sessions in (("train_tr", 20), ("train_valid", 8), ("test", 9)):
        make_events(n_sessions).to_parquet(folder / f"{part}.parquet")
    monkeypatch.setattr(rival, "COMMON", {"n_epochs": 3, "n_sample": 4, "device": "cpu"})
    given = Namespace(folder=folder, newest=0.5, valid=5)
    best = {name: rival.search(given, (name, 1)) for name in rival.SPACES}
    finals = {name: [rival.finish(given, (name, best[name], 0))] for name in best}

    rival.report(best, finals)

    ours, theirs = (finals[name][0] for name in ("GRU4Rec", "SASRec"))
    assert ours.sessions.tolist() == theirs.sessions.tolist() == sorted([*range(9)] * 2)
    assert all(1 <= trial.n_epochs <= 3 for trial in best.values())
    assert best["SASRec"].options == rival.options_of("SASRec", 1) != rival.options_of("SASRec", 2)
    told = capsys.readouterr().out
    assert f"SASRec, {best['SASRec'].n_epochs} epochs, {best['SASRec'].options}" in told
    ahead = (1 / ours.ranks).mean() - (1 / theirs.ranks).mean()  # of 7 items all are in the top
    assert float(told.splitlines()[-1].split()[5]) == pytest.approx(ahead, abs=1e-4)


def test_the_script_for_a_gpu_runs_to_its_end_without_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    gpu.main(["--device", "cpu", "--small"])
    _, *parts = capsys.readouterr().out.split("\n## ")
    told = {part.partition("\n")[0]: part for part in parts}
    assert [*told] == [*gpu.SECTIONS]
    assert [row["case"] for row in rows_of(told["training"])] == ["a", "b", "c", "d"]
    assert [row["steps in a graph"] for row in rows_of(told["graphs"])] == ["2", "8"]
    for section, column in (("scoring", "rows/s"), ("memory", "steps/s"), ("threads", "case d")):
        for row in rows_of(told[section]):
            assert float(row[column].removesuffix("/s").replace(",", "")) > 0
    for row in rows_of(told["whole"]):
        assert float(row["of it the epoch"]) <= float(row["fit"])
    assert "aten::mm " in told["profile"]


def test_a_section_that_fails_is_told_and_the_others_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: gpu.Setting) -> None:
        """Fails."""
        raise ValueError("no such kernel")

    monkeypatch.setitem(gpu.SECTIONS, "graphs", fail)
    with pytest.raises(SystemExit, match=r"failed or left out: graphs$"):
        gpu.main(["graphs", "environment", "--device", "cpu", "--small"])
    told = capsys.readouterr()
    assert "no such kernel" in told.err
    assert "torch 2" in told.out
    with pytest.raises(SystemExit, match="failed or left out: environment"):
        gpu.main(["environment", "--device", "cpu", "--minutes", "0"])
