"""Does a learning rate that falls by a factor each epoch gain anything? Trains with and without.

`python -m benchmarks.decay FOLDER [--factors F ...] [--newest SHARE] [--seeds N]
[section.option=value ...]`. The same seeds with each factor, so differences are paired.
"""

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from scipy.stats import ttest_1samp

from benchmarks.parity import config_of, measure, read_part


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decay", description=__doc__)
    parser.add_argument("folder", type=Path, help="has train_full and test, .parquet or .csv")
    parser.add_argument("options", nargs="*", metavar="section.option=value", help="see conf/base")
    parser.add_argument("--factors", nargs="+", type=float, default=[0.9, 0.8, 0.7])
    parser.add_argument("--newest", type=float, default=1.0, help="share of sessions trained on")
    parser.add_argument("--seeds", type=int, default=6, help="how many (default: 6)")
    given = parser.parse_intermixed_args(arguments)
    config = config_of(given.options)
    train, test = (read_part(given.folder, name) for name in ("train_full", "test"))
    train = newest_sessions(train, given.newest)
    print(f"{len(train):,} events of {train['SessionId'].nunique():,} sessions", flush=True)
    constant = measure(config, train, test, given.seeds)
    print("\n| factor | metric | constant | falling | difference | p |\n|---|---|---|---|---|---|")
    for factor in given.factors:
        falling = config_of([*given.options, f"training.learning_rate_decay={factor}"])
        metrics = measure(falling, train, test, given.seeds)
        for name, values in metrics.items():
            gains = [a - b for a, b in zip(values, constant[name], strict=True)]
            before, after = statistics.mean(constant[name]), statistics.mean(values)
            spread, p = statistics.stdev(gains), ttest_1samp(gains, 0).pvalue
            gain = f"{statistics.mean(gains):+.4f} ± {spread:.4f}"
            print(f"| {factor} | {name}@20 | {before:.4f} | {after:.4f} | {gain} | {p:.2f} |")


def newest_sessions(events: pd.DataFrame, share: float) -> pd.DataFrame:
    """Events of the sessions that began last."""
    begins = events.groupby("SessionId")["Time"].min().sort_values(kind="stable")
    newest = begins.index[len(begins) - round(share * len(begins)) :]
    return events[events["SessionId"].isin(newest)]


if __name__ == "__main__":
    main()
