"""What was compiled before an update is not used after it; others' caches stay where they are."""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numba
import pytest

import gru4rec
from gru4rec.compute.compiled import compiling, row_kernels

PACKAGE = Path(gru4rec.__file__).parent

COMPILED = """
import torch
from gru4rec.compute.compiled import loops, sampling_kernels
loop = loops.Loop(sampling_kernels.invert_all, grain=9, n_items=2)
room = {
    "cumulative": torch.tensor([0.5, 1.0, 1.0], dtype=torch.float64),
    "numbers": torch.tensor([0.1, 0.9, 0.1], dtype=torch.float64),
    "guide": torch.zeros(2, dtype=torch.int64),
    "items": torch.zeros(2, dtype=torch.int64),
}
loop(2, **room)
print(room["items"].tolist())
"""


Run = Callable[[], tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs a copy of the package, whose compiled code is in the folder `numba`."""
    shutil.copytree(PACKAGE, tmp_path / "gru4rec", ignore=shutil.ignore_patterns("__pycache__"))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    given = {**os.environ, "PYTHONPATH": str(tmp_path), "OMP_NUM_THREADS": "1", **cache}

    def run_copy() -> tuple[str, str]:
        command = [sys.executable, "-c", COMPILED]
        done = subprocess.run(command, check=True, env=given, capture_output=True, text=True)
        return done.stdout, done.stderr

    return run_copy


def test_where_nothing_can_be_written_it_is_compiled_each_time(tmp_path: Path, run: Run) -> None:
    (tmp_path / "numba").touch()  # no folder

    found, said = run()

    assert found == "[0, 1]\n"
    assert "Compiled code cannot be kept" in said
    assert not list(tmp_path.rglob("*.nb[ci]"))


def test_a_change_of_another_file_is_compiled_in(tmp_path: Path, run: Run) -> None:
    assert run() == ("[0, 1]\n", "")
    changed = tmp_path / "gru4rec/compute/compiled/addresses.py"
    code = changed.read_text(encoding="utf-8")
    reads_one_further = code.replace("_double_pointer(address)", "_double_pointer(address + 8)")
    changed.write_text(reads_one_further, encoding="utf-8")
    assert run() == ("[0, 0]\n", "")
    assert len(os.listdir(tmp_path / "numba")) == 2


def test_a_line_tells_of_compiling_the_first_time_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        assert compiling._is_writable(tmp_path / "code")
        (tmp_path / "code/loop.nbc").touch()
        assert compiling._is_writable(tmp_path / "code")

    assert caplog.messages == [
        "Loops are compiled on first use, which takes some seconds, this once"
    ]


def test_all_files_that_are_compiled_are_known() -> None:
    files = compiling.sources()
    known = {".".join(file.relative_to(PACKAGE).with_suffix("").parts) for file in files}
    modules = [file for file in PACKAGE.rglob("*.py") if "numba" in _imported(file)]
    assert set(modules) <= set(files)
    for file in files:
        ours = {name.removeprefix("gru4rec.") for name in _imported(file) if "gru4rec" in name}
        assert ours <= known, f"{file} uses {ours - known}, a change of which would not be seen"


def _imported(file: Path) -> set[str]:
    """Modules that a file imports, whole or in part."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = str(node.module)
            is_package = (PACKAGE.parent / module.replace(".", "/")).is_dir()
            found |= {f"{module}.{name.name}" for name in node.names} if is_package else {module}
    return found


def test_a_function_of_the_users_is_kept_where_it_was(tmp_path: Path) -> None:
    file = tmp_path / "theirs.py"
    file.write_text("import numba\n@numba.njit(cache=True)\ndef f(x): return x + 1\n")
    spec = importlib.util.spec_from_file_location("theirs", file)
    assert spec is not None
    assert spec.loader is not None
    theirs = importlib.util.module_from_spec(spec)

    spec.loader.exec_module(theirs)

    assert os.environ.get("NUMBA_CACHE_DIR", "") == numba.config.CACHE_DIR
    ours = Path(row_kernels.add_rows.stats.cache_path)
    assert ours.parent.name == compiling._FOLDER.name
    assert compiling._FOLDER.name not in theirs.f.stats.cache_path
    if not numba.config.CACHE_DIR:
        assert Path(theirs.f.stats.cache_path) == tmp_path / "__pycache__"


def test_an_error_in_a_loop_leaves_the_folder_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    before = numba.config.CACHE_DIR

    with pytest.raises(numba.errors.TypingError):
        compiling.compiled_for(numba.int64(numba.int64))(lambda x: x.no_such_thing)

    assert before == numba.config.CACHE_DIR


def test_code_of_other_versions_is_removed_when_it_was_not_used_for_long(tmp_path: Path) -> None:
    long_ago = time.time() - 31 * 24 * 60 * 60
    for name in (compiling._FOLDER.name, "code-other", "code-old"):
        (tmp_path / name / "gru4rec").mkdir(parents=True)
        os.utime(tmp_path / name, (long_ago, long_ago))
    os.utime(tmp_path / "code-other")

    compiling.remove_unused(tmp_path / compiling._FOLDER.name)
    compiling.remove_unused(tmp_path / "nowhere/code")

    assert {file.name for file in tmp_path.iterdir()} == {compiling._FOLDER.name, "code-other"}
    assert (tmp_path / compiling._FOLDER.name).stat().st_mtime > long_ago  # it is in use
