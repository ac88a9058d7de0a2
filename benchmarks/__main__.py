"""Runs the benchmarks and prints their table: `python -m benchmarks [section ...]`.

`python -m benchmarks gpu` is apart: it checks and measures on a GPU.
"""

import argparse
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks import gpu
from benchmarks.cases import SECTIONS, STARTS_PROCESSES, Row

COLUMNS = ["what", "time", "to products", "to plain", "peak memory", "note"]


def main() -> None:
    """Runs each section in a process of its own, so that none finds the caches of another."""
    if sys.argv[1:2] == ["gpu"]:
        gpu.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--threads", type=int, default=2, help="torch's threads (default: 2)")
    parser.add_argument("--json", action="store_true", help="run here, print rows as JSON")
    arguments = parser.parse_args()
    unknown = set(arguments.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if arguments.json:
        torch.set_num_threads(arguments.threads)
        print(json.dumps([row for name in arguments.sections for row in SECTIONS[name]()]))
        return
    print(f"{datetime.now(UTC):%Y-%m-%d}, {processor()}, {arguments.threads} threads, ", end="")
    print(f"torch {torch.__version__}\n")
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    for section in arguments.sections or SECTIONS:
        command = [sys.executable, "-m", "benchmarks", section, "--json"]
        command += ["--threads", str(arguments.threads)]
        # two threads on one core take twice the time, so each stays on a core of its own; not so
        # where a section starts processes, which would find themselves on one core
        bind = {} if section in STARTS_PROCESSES else {"OMP_PROC_BIND": "true"}
        done = subprocess.run(
            command, check=True, stdout=subprocess.PIPE, text=True, env={**os.environ, **bind}
        )
        for row in json.loads(done.stdout.splitlines()[-1]):
            print(f"| {' | '.join(cells(row))} |", flush=True)


def cells(row: Row) -> list[str]:
    """A row of the table as text."""
    ratio = row["to products"]
    faster = row["to plain"]
    return [
        str(row["what"]),
        in_units(float(str(row["seconds"]))),
        "" if ratio is None else f"{ratio:.2f}",
        "" if faster is None else f"{faster:.1f} × as fast",
        f"{float(str(row['peak'])) / 1e9:.2f} GB" if row["peak"] else "",
        str(row["note"]),
    ]


def in_units(seconds: float) -> str:
    """Three digits and a unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def processor() -> str:
    """Name of the processor, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "unknown processor"
    return next((x.partition(": ")[2] for x in lines if x.startswith("model name")), "unknown")


if __name__ == "__main__":
    main()
