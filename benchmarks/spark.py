"""Recommendations on Spark beside the same in one process: `python -m benchmarks.spark`.

It needs the extra `spark` and Java. A model is trained for one epoch on the first sessions of a
simulated log, and on all of its items. Then both recommend to all of its sessions and write Parquet
files, in turns: one process with one thread of torch, and Spark on this machine with so many
workers. What the first turn does besides, such as reading the model into the workers, is shown
apart. Seconds of the processor are those of Spark, its workers and this process together.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gru4rec import DataConfig, GRU4Rec, LoadingConfig, read_log
from gru4rec.preparation import configure_spark, spark_connection
from gru4rec_kedro.datasets import PartsDataset
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.pipelines.recommendation.nodes import recommend_items
from gru4rec_kedro.simulate import simulate_sessions


def main(arguments: Sequence[str] | None = None) -> None:
    """Writes a log, trains a model and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.spark")
    parser.add_argument("--sessions", type=int, default=100_000, help="of the simulated log")
    parser.add_argument("--items", type=int, default=20_000, help="of the simulated log")
    parser.add_argument("--units", type=int, default=100, help="of the model")
    parser.add_argument("--cores", type=int, default=1, help="workers of Spark")
    parser.add_argument("--turns", type=int, default=3, help="after the first")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    configure_spark({"spark.master": f"local[{options.cores}]", "spark.ui.enabled": False})
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = prepare(folder / "log.parquet", options.sessions, options.items, options.units)
        ways = {"one process": recommend_here, "Spark": recommend_on_spark}
        seconds = take_turns(
            {way: lambda do=do: do(folder, model) for way, do in ways.items()}, options.turns
        )
        print("| | sessions/s | per core | per second of a processor | first turn |")
        print("|---|---|---|---|---|")
        for way, cores in zip(ways, (1, options.cores), strict=True):
            first, *others = seconds[way]
            wall, processor = (statistics.median(column) for column in zip(*others, strict=True))
            n = options.sessions
            print(
                f"| {way} | {n / wall:,.0f} | {n / wall / cores:,.0f} | {n / processor:,.0f} |",
                end="",
            )
            print(f" {first[0]:.1f} s |")
        print(f"\nthe same items in {equal_rows(folder):.4%} of the rows")
    spark_connection().disconnect()


def prepare(path: Path, n_sessions: int, n_items: int, units: int) -> GRU4Rec:
    """Writes a log, and trains a model on the first quarter of it, and so that it knows all."""
    log = simulate_sessions(n_sessions, n_items, np.random.default_rng(1))
    log.to_parquet(path)
    items = log["ItemId"].unique()
    pairs = pd.DataFrame({"SessionId": -1 - np.arange(len(items)) // 2, "ItemId": items, "Time": 0})
    model = GRU4Rec(layers=[units], n_epochs=1, n_sample=512, device="cpu")
    model.fit(pd.concat([pairs, log.head(len(log) // 4)]), compatibility_mode=False)
    print(f"{n_sessions:,} sessions, {len(log):,} events, {len(model.vocabulary):,} items\n")
    return model


def recommend_here(folder: Path, model: GRU4Rec) -> None:
    """Writes recommendations as the pipeline does without Spark."""
    parts = recommend_items(read_log(str(folder / "log.parquet")), model, None, *sections())
    PartsDataset(path=str(folder / f"here{time.monotonic()}")).save(parts)  # all parts anew


def recommend_on_spark(folder: Path, model: GRU4Rec) -> None:
    """Writes recommendations as the pipeline does on Spark."""
    log = spark_connection().read_parquet(str(folder / "log.parquet"))
    found = recommend_items(log, model, None, *sections())
    found.to_parquet(str(folder / "spark"), mode="overwrite")


def sections() -> tuple[DataConfig, LoadingConfig, RecommendationConfig]:
    """The options of the pipeline, as they are by themselves."""
    return DataConfig(), LoadingConfig(), RecommendationConfig()


def take_turns(
    functions: Mapping[str, Callable[[], object]], turns: int
) -> dict[str, list[tuple[float, float]]]:
    """Seconds of each call by the clock, and of the processor; one call more than turns."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in functions}
    for _ in range(1 + turns):
        for name, function in functions.items():
            begun = time.perf_counter(), processor_time()
            function()
            now = time.perf_counter(), processor_time()
            seconds[name].append((now[0] - begun[0], now[1] - begun[1]))
    return seconds


def processor_time() -> float:
    """Seconds of this process and of all that it has started, also indirectly (Linux)."""
    fields = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields[int(file.parent.name)] = file.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
    own = {os.getpid()}
    for pid in sorted(fields):  # a child has mostly a higher number than its parent
        if int(fields[pid][1]) in own:
            own.add(pid)
    ticks = sum(sum(map(int, fields[pid][11:15])) for pid in own)
    return ticks / os.sysconf("SC_CLK_TCK")


def equal_rows(folder: Path) -> float:
    """Share of the rows of both that have the same item."""
    here = pd.read_parquet(min(folder.glob("here*")))
    spark = pd.read_parquet(folder / "spark")
    both = here.merge(spark, on=["session", "rank", "item"])
    return len(both) / max(len(here), len(spark))


if __name__ == "__main__":
    main()
