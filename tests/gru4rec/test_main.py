"""The command `gru4rec`."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

import gru4rec
from gru4rec import GRU4Rec, describe_model
from gru4rec.__main__ import main


def saved(path: Path, items: list[int] | list[str]) -> GRU4Rec:
    log = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": items, "Time": [1, 2, 3, 4]})
    gru = GRU4Rec(layers=[4], n_sample=4, n_epochs=1, batch_size=2, device="cpu").fit(log)
    gru.save(path)
    return gru


@pytest.mark.parametrize(
    "arguments",
    [["no-command"], [], ["recommend", "model.pth"], ["recommend", "m", "1", "-k", "x"]],
)
def test_what_is_not_understood_is_told_with_exit_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("gru4rec")


def test_version_comes_without_torch():
    code = "import gru4rec.__main__, sys; print('torch' in sys.modules); gru4rec.__main__.main()"
    command = [sys.executable, "-c", code, "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", gru4rec.__version__]


def test_describe_writes_what_describe_model_tells(tmp_path, capsys):
    saved(tmp_path / "model.pth", [7, 8, 8, 9])
    assert main(["describe", str(tmp_path / "model.pth")]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == describe_model(tmp_path / "model.pth")


@pytest.mark.parametrize("items", [[7, 8, 8, -9], ["a", "b", "b", "7"]])
def test_recommend_writes_the_best_items_of_the_session(items, tmp_path, capsys):
    gru = saved(tmp_path / "model.pth", items)
    session = [str(items[0]), str(items[3])]
    assert main(["recommend", str(tmp_path / "model.pth"), *session, "-k", "2"]) == 0
    best = gru.recommend([[items[0], items[3]]], k=2)
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [item for item, _ in lines] == [str(item) for item in best["item"]]
    assert [float(score) for _, score in lines] == pytest.approx(best["score"].tolist(), rel=1e-5)

    assert main(["recommend", str(tmp_path / "model.pth"), *session, "--exclude-seen"]) == 0
    assert [line.split("\t")[0] for line in capsys.readouterr().out.splitlines()] == [str(items[1])]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["describe", "nowhere.pth"], "nowhere.pth"),
        (["recommend", "damaged.pth", "7"], "damaged.pth"),
        (["recommend", ".", "7"], "."),
        (["recommend", "model.pth", "x7"], "the model knows its items by integers; 'x7' is none"),
        (["recommend", "model.pth", "99999999999999999999"], "99999999999999999999"),
        (["recommend", "model.pth", "7", "-k", "0"], "k is 0"),
    ],
)
def test_a_mistake_is_one_line_with_exit_code_1(arguments, message, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "model.pth", [7, 8, 8, 9])
    (tmp_path / "damaged.pth").write_text("no model")
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("gru4rec: ")
    assert message in err
