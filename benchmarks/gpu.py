"""Checks and measures training and ranking on a GPU, in minutes: `python -m benchmarks gpu`.

Every section prints what it finds at once, and one that fails does not keep the others from it.
`--device cpu --small` goes through all of it without a GPU, to show that it runs to its end.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.cases import (
    CASES,
    N_ITEMS,
    config_of,
    draw_sessions,
    make_epoch,
    make_plain_epoch,
)
from benchmarks.measure import interleaved, peak_memory
from gru4rec import GRU4Rec, ModelConfig, batch_eval
from gru4rec.compute import Plain, Static, using
from gru4rec.evaluation.ranking import rank, top_k
from gru4rec.model.build import architecture_of
from gru4rec.model.network import Network

# steps a second of the official PyTorch code in case a, as published for an A30
PUBLISHED = {"a": "405/s"}
TESTS = [
    *("test_gpu.py", "learning/test_replay.py", "test_parity.py"),
    *("test_recommender.py", "storage/test_model_file.py"),
]
_SMALL = {"layers": [8], "batch_size": 8, "n_sample": 16}


@dataclass(frozen=True)
class Setting:
    """Where, and how much.

    Attributes:
        device: `cuda`, or `cpu` to try the script.
        small: Sizes at which figures mean nothing.
        until: When no further section begins, by `time.monotonic`.
    """

    device: str
    small: bool
    until: float

    @property
    def repeats(self) -> int:
        """How often each figure is measured, beside a first time that does not count."""
        return 1 if self.small else 3

    @property
    def is_cuda(self) -> bool:
        """Whether there is something to measure."""
        return self.device.startswith("cuda")

    @property
    def fused(self) -> type[Static]:
        """The engine with Triton; on a CPU, where its kernels take hours, the one without."""
        if not self.is_cuda:
            return Static
        engine: type[Static] = import_module("gru4rec.compute.fused.engine").Fused
        return engine

    def config(self, case: str) -> ModelConfig:
        """Options of a case."""
        config = config_of(case, self.device)
        return config.model_copy(update=_SMALL) if self.small else config

    def synchronised(self, work: Callable[[], object]) -> Callable[[], object]:
        """Waits for the device after some work."""

        def run() -> None:
            work()
            if self.is_cuda:
                torch.cuda.synchronize()

        return run

    def under(self, engine: str | Plain, make: Callable[[], Callable[[], object]]) -> Any:
        """Makes some work and lets an engine do it."""
        kind = torch.device(self.device).type
        with using(engine, kind):
            work = make()

        def run() -> None:
            with using(engine, kind):
                work()

        return self.synchronised(run)


def say(*cells: object) -> None:
    """Prints a row of a table at once."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


def head(*cells: str) -> None:
    """Prints the header of a table."""
    say(*cells)
    print(f"|{'---|' * len(cells)}", flush=True)


def environment(setting: Setting) -> None:
    """What it runs on."""
    cuda = "no CUDA"
    if setting.is_cuda:
        cuda = f"{torch.cuda.get_device_name()}, CUDA {torch.version.cuda}"
        asked = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
        cuda += f", driver and memory {subprocess.check_output(asked, text=True).strip()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {cuda}, torch {torch.__version__}, ", end="")
    print(f"{os.cpu_count()} processors", flush=True)


def tests(setting: Setting) -> None:
    """The tests that need a GPU: parity, no waiting, the same bits twice and through graphs."""
    if not setting.is_cuda:
        print("not run: there is no GPU")
        return
    folder = Path(__file__).parents[1] / "tests" / "gru4rec"
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-n", "0", "--durations=5"]
    command += ["-o", "filterwarnings="]  # versions may be others than those that were pinned
    command += [str(folder / name) for name in TESTS]
    subprocess.run(command, check=True, timeout=240)


def training(setting: Setting) -> None:
    """Steps a second of cases a to d; without graphs and by plain PyTorch fewer are taken."""
    head(
        "case",
        "fused",
        "tf32",
        "bf16",
        "torch only",
        "fused, one by one",
        "plain PyTorch",
        "fused to plain",
        "official, A30",
    )
    n_items, many, few, together = (400, 24, 8, 4) if setting.small else (N_ITEMS, 960, 160, 32)
    fused = setting.fused
    for case in CASES:
        config = setting.config(case)

        def ours(
            engine: Plain, steps: int = many, precision: str = "float32", config: Any = config
        ) -> tuple[int, Callable[[], object]]:
            chosen = config.model_copy(update={"precision": precision})
            return steps, setting.under(engine, lambda: make_epoch(n_items, chosen, steps))

        work = {
            "fused": ours(fused(steps_together=together)),
            "tf32": ours(fused(steps_together=together), precision="tf32"),
            "bf16": ours(fused(steps_together=together), precision="bf16"),
            "torch only": ours(Static(steps_together=together)),
            "one by one": ours(fused(), few),
            "plain": (few, setting.synchronised(make_plain_epoch(n_items, config, few))),
        }
        seconds = interleaved({name: run for name, (_, run) in work.items()}, setting.repeats)
        rates = {name: work[name][0] / taken for name, taken in seconds.items()}
        faster = rates["fused"] / rates["plain"]
        shown = [f"{rate:,.0f}/s" for rate in rates.values()]
        say(case, *shown, f"{faster:.1f} ×", PUBLISHED.get(case, "none"))


def graphs(setting: Setting) -> None:
    """How many steps of case a should make a graph."""
    head("steps in a graph", "steps/s")
    n_items, steps = (400, 24) if setting.small else (N_ITEMS, 960)
    sizes = {
        n: setting.under(
            setting.fused(steps_together=n), lambda: make_epoch(n_items, setting.config("a"), steps)
        )
        for n in ((2, 8) if setting.small else (8, 32, 128))
    }
    for n, taken in interleaved(sizes, setting.repeats).items():
        say(n, f"{steps / taken:,.0f}")


def profile(setting: Setting) -> None:
    """What a step of case a is made of, uncaptured."""
    steps, n_items = 24, 400 if setting.small else N_ITEMS
    run = setting.under(setting.fused(), lambda: make_epoch(n_items, setting.config("a"), steps))
    run()
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] if setting.is_cuda else []
    with torch.profiler.profile(activities=kinds) as profiler:
        run()
    found = profiler.key_averages()
    # an operator of the host is listed, too, with the time of its kernels
    kernels = [
        event
        for event in found
        if event.device_type != torch.autograd.DeviceType.CPU and not event.is_user_annotation
    ]
    if kernels:
        busy = sum(event.self_device_time_total for event in kernels) / steps
        n_kernels = sum(event.count for event in kernels) / steps
        print(f"{n_kernels:.0f} kernels and copies a step, {busy:.0f} µs on the device", flush=True)
    by = "self_cuda_time_total" if setting.is_cuda else "self_cpu_time_total"
    print(found.table(sort_by=by, row_limit=25, max_name_column_width=60), flush=True)


def memory(setting: Setting) -> None:
    """Training on 5 million items of 512 units with momentum: memory at its peak."""
    n_items, steps = (5_000, 24) if setting.small else (5_000_000, 128)
    config = setting.config("d").model_copy(update={"momentum": 0.3})
    shape, device = (n_items, config.layers[0]), torch.device(setting.device)
    if setting.is_cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    # made there: a processor would take longer for so many numbers than the training does
    output = torch.empty(shape, device=device).uniform_(-0.01, 0.01)
    tables = {"output": output, "bias": torch.zeros(n_items, device=device)}
    architecture = architecture_of(config)
    dense = {
        name: torch.full(shape, 0.01, device=device)
        for name, shape in architecture.dense_shapes().items()
    }
    network = Network(architecture, tables, dense)
    engine = setting.fused(steps_together=4 if setting.small else 32)
    run = setting.under(engine, lambda: make_epoch(n_items, config, steps, network))
    seconds = interleaved({"graphs": run}, repeats=1)["graphs"]
    peak = torch.cuda.max_memory_allocated() if setting.is_cuda else peak_memory()
    head("items", "steps/s", "memory at most")
    say(f"{n_items:,}", f"{steps / seconds:,.0f}", f"{peak / 1e9:.2f} GB")
    if setting.is_cuda and peak > 40e9:
        raise AssertionError("more than 40 GB")


def scoring(setting: Setting) -> None:
    """Ranks and best items, beside the matrix product that they need."""
    head("what", "rows/s", "of the product's rate")
    sizes = [(300, 8, 64)] if setting.small else [(37_000, 512, 32_768), (500_000, 100, 8_192)]
    blocks = [1 << 12] if setting.small else [1 << 26, 1 << 28, 1 << 30]
    for n_items, units, n_rows in sizes:
        tables = {
            "output": torch.randn(n_items, units, device=setting.device),
            "bias": torch.randn(n_items, device=setting.device),
        }
        network = Network(architecture_of(ModelConfig(layers=[units])), tables, {})
        states = torch.randn(n_rows, units, device=setting.device)
        for block in blocks:
            seconds = score(setting, network, states, block)
            for name in ("rank", "top 20"):
                what = f"{name}, {n_items:,} × {units}, {block:,} scores at once"
                rate = seconds["product"] / seconds[name]
                say(what, f"{n_rows / seconds[name]:,.0f}", f"{rate:.0%}")


def score(setting: Setting, network: Network, states: torch.Tensor, block: int) -> dict[str, float]:
    """Seconds of ranking and of the product, with so many scores at once."""
    targets = torch.arange(len(states), device=states.device) % network.n_items
    work: dict[str, Callable[[], object]] = {
        "rank": lambda: rank(network, states, targets, "standard"),
        "top 20": lambda: top_k(network, states, 20),
        "product": lambda: multiply(network, states, block),
    }
    functions = {
        name: setting.under(setting.fused(block), lambda function=function: function)
        for name, function in work.items()
    }
    return interleaved(functions, setting.repeats)


def multiply(network: Network, states: torch.Tensor, block: int) -> None:
    """The scores of all items, in tiles of so many."""
    output = network.tables["output"]
    rows = max(1, block // len(output))
    room = torch.empty(min(rows, len(states)), len(output), device=states.device)
    for part in states.split(rows):
        torch.mm(part, output.T, out=room[: len(part)])


def whole(setting: Setting) -> None:
    """Seconds of an epoch of case a by `fit`, an evaluation and recommendations, all included."""
    n_items, n_sessions = (300, 200) if setting.small else (N_ITEMS, 100_000)
    items, offsets = draw_sessions(n_items, n_sessions, 5)
    sessions = np.repeat(np.arange(len(offsets) - 1), 5)
    log = pd.DataFrame({"SessionId": sessions, "ItemId": items, "Time": np.arange(len(items))})
    config, some = {**setting.config("a"), "n_epochs": 1}, items[:8192, None].tolist()
    head("run", "fit", "of it the epoch", "batch_eval, 80,000 targets", "recommend to 8,192")
    for name in ("the first time", "again"):
        engine = setting.fused(steps_together=32)
        with using(engine, torch.device(setting.device).type):
            gru = GRU4Rec(**config)
            work = (
                lambda: gru.fit(log),  # noqa: B023
                lambda: batch_eval(gru, log[:100_000]),  # noqa: B023
                lambda: gru.recommend(some, k=20),  # noqa: B023
            )
            fit, evaluate, recommend = map(seconds_of, work)
        epoch = float(gru.history["seconds"].iloc[0])
        say(name, *(f"{taken:.2f}" for taken in (fit, epoch, evaluate, recommend)))


def seconds_of(work: Callable[[], object]) -> float:
    """How long some work takes that ends with numbers on the host."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def threads(setting: Setting) -> None:
    """The step on the processors of this machine, by the number of threads."""
    head("threads", *(f"case {case}" for case in ("a", "d")))
    counts = [n for n in (1, 2, 4, 8, 16) if n <= (os.cpu_count() or 1)]
    for n in counts[:1] if setting.small else counts:
        command = [sys.executable, "-m", "benchmarks", "gpu", "--threads", str(n)]
        command += ["--small"] if setting.small else []
        # two threads on one core take twice the time, so each stays on a core of its own
        environment = {**os.environ, "OMP_PROC_BIND": "true"}
        told = subprocess.check_output(command, text=True, env=environment, timeout=120)
        say(n, *(f"{rate:,.0f}/s" for rate in json.loads(told.splitlines()[-1])))


def measure_threads(setting: Setting, n: int) -> None:
    """Prints the steps a second of cases a and d on the CPU."""
    torch.set_num_threads(n)
    n_items, steps = (400, 8) if setting.small else (N_ITEMS, 80)
    epochs = {case: make_epoch(n_items, setting.config(case), steps) for case in ("a", "d")}
    print(json.dumps([steps / taken for taken in interleaved(epochs, setting.repeats).values()]))


SECTIONS: dict[str, Callable[[Setting], None]] = {
    section.__name__: section
    for section in (
        *(environment, tests, training, graphs, scoring),
        *(memory, whole, profile, threads),
    )
}


def main(arguments: Sequence[str]) -> None:
    """Runs the sections."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gpu", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="section", help=", ".join(SECTIONS))
    parser.add_argument("--device", default="cuda", help="cuda (default), or cpu to try it")
    parser.add_argument("--small", action="store_true", help="sizes at which figures mean nothing")
    parser.add_argument("--minutes", type=float, default=9, help="no section begins later")
    parser.add_argument("--threads", type=int, help="only the step on the CPU, with so many")
    given = parser.parse_args(arguments)
    unknown = set(given.sections) - set(SECTIONS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    setting = Setting(given.device, given.small, time.monotonic() + 60 * given.minutes)
    if given.threads:
        measure_threads(Setting("cpu", given.small, setting.until), given.threads)
        return
    if setting.is_cuda and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device cpu --small tries the script")
    failed = []
    for name in given.sections or SECTIONS:
        print(f"\n## {name}\n{SECTIONS[name].__doc__}\n", flush=True)
        if time.monotonic() > setting.until:
            print("left out: the time is over")
            failed.append(name)
            continue
        begun = time.monotonic()
        try:
            SECTIONS[name](setting)
        except Exception:
            traceback.print_exc()
            failed.append(name)
        print(f"\n{time.monotonic() - begun:.1f} s", flush=True)
    if failed:
        sys.exit(f"failed or left out: {', '.join(failed)}")
