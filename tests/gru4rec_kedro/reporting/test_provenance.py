import subprocess
from importlib.metadata import version

import ibis
import numpy as np
import pandas as pd
import pytest

from gru4rec_kedro.reporting import provenance
from gru4rec_kedro.reporting.provenance import (
    code_version,
    fingerprint,
    library_versions,
    peak_memory_mb,
)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """The package as it lies in a folder of somebody's."""
    (tmp_path / "provenance.py").touch()
    monkeypatch.setattr(provenance, "_FOLDER", tmp_path)
    return tmp_path


def git(folder, *arguments):
    who = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def test_outside_a_checkout_the_version_is_all(installed):
    assert code_version() == version("gru4rec-kedro")


def test_in_a_checkout_the_commit_is_named(installed):
    git(installed, "init")
    git(installed, "commit", "--allow-empty", "-m", "theirs")
    # a checkout that does not hold this code says nothing about it
    assert code_version() == version("gru4rec-kedro")
    git(installed, "add", ".")
    git(installed, "commit", "-m", "ours")
    head = (installed / ".git/HEAD").read_text().split()[1]
    commit = (installed / ".git" / head).read_text()
    number, _, named = code_version().partition(", commit ")
    assert number == version("gru4rec-kedro")
    assert commit.startswith(named)
    assert len(named) >= 7
    (installed / "provenance.py").write_text("changed")
    assert code_version() == f"{number}, commit {named}-dirty"


def test_without_git_the_version_is_all(installed, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert code_version() == version("gru4rec-kedro")


def test_libraries_are_named_with_their_versions():
    assert library_versions()["torch"] == version("torch")
    assert library_versions()["Python"].startswith("3.")


def test_peak_memory_is_in_megabytes():
    held = np.ones(20_000_000)
    assert held.nbytes / 1e6 < peak_memory_mb() < 50_000


def test_a_fingerprint_is_of_the_rows_whatever_their_order_and_form(monkeypatch):
    frame = pd.DataFrame({"SessionId": range(7), "ItemId": list("abcdefg"), "Time": range(7)})
    known = fingerprint(frame)
    assert known == f"{pd.util.hash_pandas_object(frame, index=False).sum():016x}"
    assert fingerprint(ibis.memtable(frame)) == known
    monkeypatch.setattr(provenance, "_ROWS_AT_ONCE", 3)
    assert fingerprint(frame.sample(frac=1, random_state=0)) == known
    assert fingerprint(ibis.memtable(frame)) == known
    assert fingerprint(frame.astype({"ItemId": object})) == known
    assert fingerprint(frame.head(6)) != known
    assert fingerprint(frame.assign(Time=range(1, 8))) != known
