"""Trains with many seeds on prepared parts and prints recall and MRR: mean ± standard deviation.

`python -m benchmarks.parity FOLDER [--seeds N] [section.option=value ...]`. Seeds of one
implementation differ by more than implementations do, so few of them mislead: compare ten or more.
"""

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import yaml
from scipy.stats import ttest_ind_from_stats

from gru4rec import Config, ConfigError, DataError, GRU4Rec, GRU4RecError, batch_eval

CUTOFF = 20
OPTIONS: Mapping[str, object] = {
    "layers": [100],
    "batch_size": 32,
    "dropout_p_embed": 0.1,
    "learning_rate": 0.1,
    "sample_alpha": 0.75,
    "n_sample": 512,
    "logq": 1.0,
    "n_epochs": 10,
}
READERS = {".parquet": pd.read_parquet, ".csv": pd.read_csv}


class Measured(NamedTuple):
    """What some seeds came to.

    Attributes:
        mean: Of the metric.
        deviation: Standard deviation between the seeds.
        n_seeds: How many there were.
    """

    mean: float
    deviation: float
    n_seeds: int

    def __str__(self) -> str:
        return f"{self.mean:.4f} ± {self.deviation:.4f}"


# the reference implementation, with the options above, on data of so many events: train_full, test
REFERENCE = {
    (70_278, 13_568): {"recall": Measured(0.6696, 0.0035, 10), "mrr": Measured(0.3524, 0.0025, 10)}
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("folder", type=Path, help="has train_full and test, .parquet or .csv")
    parser.add_argument("options", nargs="*", metavar="section.option=value", help="see conf/base")
    parser.add_argument("--seeds", type=int, default=10, help="how many (default: 10)")
    given = parser.parse_intermixed_args(arguments)
    if given.seeds < 2:
        parser.error("--seeds: a deviation needs two or more")
    try:
        config = config_of(given.options)
        train, test = (read_part(given.folder, name) for name in ("train_full", "test"))
        metrics = measure(config, train, test, given.seeds)
    except GRU4RecError as error:
        sys.exit(str(error))
    others = {name for name, value in config_of([]).model.items() if config.model[name] != value}
    sizes = len(train), len(test)
    reference = REFERENCE.get(sizes, {}) if others <= {"device", "seed"} else {}
    print(f"\n| | mean ± deviation of {given.seeds} seeds | reference | difference |")
    print("|---|---|---|---|")
    for name, values in metrics.items():
        ours = Measured(statistics.mean(values), statistics.stdev(values), len(values))
        print(f"| {name}@{CUTOFF} | {ours} | {' | '.join(beside(ours, reference.get(name)))} |")


def config_of(options: Sequence[str]) -> Config:
    """Reads options such as `model.n_epochs=5`; those of the reference's runs are the defaults."""
    sections: dict[str, dict[str, Any]] = {"model": {**OPTIONS}}
    for option in options:
        place, _, value = option.partition("=")
        section, _, name = place.partition(".")
        if not (section and name and value):
            raise ConfigError(f"{option!r} is no option; write it as model.n_epochs=5")
        sections.setdefault(section, {})[name] = yaml.safe_load(value)
    return Config.parse(sections, origin="the command line")


def read_part(folder: Path, name: str) -> pd.DataFrame:
    """Reads a prepared part."""
    for suffix, read in READERS.items():
        path = (folder / name).with_suffix(suffix)
        if path.exists():
            return read(path)
    files = " or ".join(f"{name}{suffix}" for suffix in READERS)
    raise DataError(f"{folder} has no {files}; name a folder of prepared parts")


def measure(
    config: Config, train: pd.DataFrame, test: pd.DataFrame, n_seeds: int
) -> dict[str, list[float]]:
    """Trains with the seeds 1 to `n_seeds`; returns the metrics of each by name."""
    metrics: dict[str, list[float]] = {"recall": [], "mrr": []}
    for seed, (recall, mrr) in enumerate(runs(config, train, test, n_seeds), start=1):
        print(f"seed {seed}: recall@{CUTOFF} {recall:.4f}, mrr@{CUTOFF} {mrr:.4f}", flush=True)
        metrics["recall"].append(recall)
        metrics["mrr"].append(mrr)
    return metrics


def runs(
    config: Config, train: pd.DataFrame, test: pd.DataFrame, n_seeds: int
) -> Iterator[tuple[float, float]]:
    """Yields recall and MRR of one seed after the other."""
    evaluation = {"batch_size": config.evaluation.batch_size, "mode": config.evaluation.mode}
    for seed in range(1, n_seeds + 1):
        gru = GRU4Rec(**{**config.model, "seed": seed})
        gru.fit(train, **config.training, **config.data)
        recall, mrr = batch_eval(gru, test, cutoff=[CUTOFF], **evaluation, **config.data)
        yield recall[CUTOFF], mrr[CUTOFF]


def beside(ours: Measured, reference: Measured | None) -> tuple[str, str]:
    """The reference's value and what lies between, as text: with Welch's test."""
    if reference is None:
        return "not known", ""
    test = ttest_ind_from_stats(*ours, *reference, equal_var=False)
    difference = f"{ours.mean - reference.mean:+.4f} (p = {test.pvalue:.2f})"
    return f"{reference} ({reference.n_seeds} seeds)", difference


if __name__ == "__main__":
    main()
