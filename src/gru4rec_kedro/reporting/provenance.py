"""Where a result comes from: events, code, libraries, memory."""

import platform
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import ibis.expr.types as ir
import pandas as pd

_LIBRARIES = ("torch", "pandas", "numpy", "kedro", "ibis-framework", "duckdb")
_FOLDER = Path(__file__).parent
_ROWS_AT_ONCE = 1_000_000


def sum_up(part: ir.Table | pd.DataFrame) -> int:
    """Sums up the rows of a table, in whatever order: other rows have another sum."""
    sums = (int(pd.util.hash_pandas_object(of, index=False).sum()) for of in _pieces(part))
    return sum(sums) % 2**64


def fingerprint(part: ir.Table | pd.DataFrame) -> str:
    """Returns the sum of the rows of a table as files and pages have it."""
    return f"{sum_up(part):016x}"


def _pieces(part: ir.Table | pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Yields some rows at a time: their hashes need as much memory as the rows."""
    if isinstance(part, pd.DataFrame):
        for begin in range(0, len(part), _ROWS_AT_ONCE):
            yield part.iloc[begin : begin + _ROWS_AT_ONCE]
    else:
        # not as a stream: nodes in other threads may ask the same connection meanwhile
        for batch in part.to_pyarrow().to_batches(_ROWS_AT_ONCE):
            yield batch.to_pandas()


def code_version() -> str:
    """Returns the version of the package and, where it lies in a git checkout, the commit."""
    number = version("gru4rec-kedro")
    # an installed package may lie in somebody else's checkout, which does not track its files
    tracked = _git("ls-files", "--error-unmatch", Path(__file__).name)
    commit = _git("describe", "--always", "--dirty", "--exclude=*") if tracked else ""
    return f"{number}, commit {commit}" if commit else number


def environment() -> str:
    """Says in a few words what computes."""
    return (
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"{platform.system()} {platform.machine()}"
    )


def library_versions() -> dict[str, str]:
    """Returns the versions of Python and the libraries that results depend on."""
    return {"Python": platform.python_version()} | {name: version(name) for name in _LIBRARIES}


def peak_memory_mb() -> float | None:
    """Returns the most memory that this process had so far, in MB; None where nobody counts it."""
    try:
        import resource  # noqa: PLC0415  (not on Windows)
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)  # in bytes there, else in KiB


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", *arguments],  # noqa: S607
            cwd=_FOLDER,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
