import runpy
import sys

import pytest


def test_the_module_is_the_command(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["serve", "nowhere.pth"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("gru4rec.serve", run_name="__main__")
    assert ended.value.code == 1
    assert "nowhere.pth" in capsys.readouterr().err
