"""GRU4Rec and SASRec, tuned by as many trials each and measured on the same targets.

`python -m benchmarks.rival FOLDER [--newest SHARE] [--valid SESSIONS] [--trials N] [--seeds N]
[--processes N]`. A trial trains on `train_tr` while MRR@20 on `train_valid` gains; the first has
options that are known to be good, the others random ones. The best is trained on `train_full` for
as many epochs, with several seeds, and measured on `test`. Each process has one thread, and seconds
are those of a processor, so other load of the machine hardly counts.
"""

import argparse
import multiprocessing
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from benchmarks.decay import newest_sessions
from benchmarks.parity import OPTIONS, read_part
from gru4rec import GRU4Rec, batch_eval, rank_events
from gru4rec.baselines import SASRec
from gru4rec.data.sessions import order_sessions
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.evaluation import NextItemModel, compare, measure

CUTOFF = 20
PATIENCE = 2
Options = dict[str, Any]

# both: cross-entropy over a sample, with log-Q correction
COMMON = {"n_epochs": 15, "n_sample": 512, "logq": 1.0, "device": "cpu", "seed": 0}
BOTH = {"sample_alpha": [0.0, 0.25, 0.5, 0.75, 1.0], "learning_rate_decay": [1.0, 0.9, 0.8, 0.7]}
SPACES: dict[str, dict[str, list[Any]]] = {
    "GRU4Rec": {
        **BOTH,
        "layers": [[64], [96], [128], [192]],
        "batch_size": [32, 64, 128],
        "learning_rate": [0.05, 0.07, 0.1, 0.15],
        "dropout_p_embed": [0.0, 0.1, 0.2, 0.3, 0.4, 0.5],
        "dropout_p_hidden": [0.0, 0.1, 0.2],
        "momentum": [0.0, 0.1, 0.2, 0.4],
    },
    "SASRec": {
        **BOTH,
        "units": [64, 96, 128],
        "n_blocks": [1, 2],
        "n_heads": [1, 2, 4],
        "block": ["ligr", "sasrec"],
        "batch_size": [128, 256, 512],
        "learning_rate": [0.001, 0.002, 0.004],
        "dropout": [0.1, 0.2, 0.3, 0.4, 0.5],
    },
}
# of its authors for rsc15; of the class
KNOWN: dict[str, Options] = {"GRU4Rec": {**OPTIONS}, "SASRec": {}}


class Trial(NamedTuple):
    """What some options came to: `mrr` on valid after the best epoch, `n_epochs` until then."""

    mrr: float
    n_epochs: int
    options: Options


class Final(NamedTuple):
    """The best options on test: `ranks` of the targets and their `sessions`."""

    seconds: float
    sessions: Any
    ranks: Any


class Unfinished(NamedTuple):
    """A model that is still in training."""

    vocabulary: Vocabulary
    score_next: Any


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures both and prints tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rival", description=__doc__)
    parser.add_argument("folder", type=Path, help="has train_tr, train_valid, train_full and test")
    parser.add_argument("--newest", type=float, default=1.0, help="share of sessions trained on")
    parser.add_argument("--valid", type=int, help="newest sessions of valid (default: all)")
    parser.add_argument("--trials", type=int, default=8, help="of each model (default: 8)")
    parser.add_argument("--seeds", type=int, default=3, help="of the best (default: 3)")
    parser.add_argument("--processes", type=int, default=2, help="at a time (default: 2)")
    given = parser.parse_args(arguments)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(given.processes, context, torch.set_num_threads, (1,)) as processes:
        tasks = list(product(SPACES, range(given.trials)))
        trials = list(processes.map(partial(search, given), tasks))
        best = {
            name: max(trial for (of, _), trial in zip(tasks, trials, strict=True) if of == name)
            for name in SPACES
        }
        finals = [
            (name, trial, seed) for name, trial in best.items() for seed in range(given.seeds)
        ]
        done = list(processes.map(partial(finish, given), finals))
    n = given.seeds
    report(best, {name: done[i * n : i * n + n] for i, name in enumerate(SPACES)})


def report(best: dict[str, Trial], finals: dict[str, list[Final]]) -> None:
    """Prints what was measured on test."""
    joined = []
    for name, seeds in finals.items():
        # the interval of the mean over seeds: the targets of a session stay together
        sessions, ranks = (np.concatenate(arrays) for arrays in list(zip(*seeds, strict=True))[1:])
        joined.append((sessions, ranks))
        seconds = np.mean([final.seconds for final in seeds])
        print(f"\n{name}, {best[name].n_epochs} epochs, {best[name].options}")
        print(f"{seconds:.0f} s of a processor for the training with one seed")
        print(as_text(measure(sessions, ranks, [CUTOFF])))
    (sessions, ours), (_, theirs) = joined
    print(f"\n{' − '.join(finals)}:\n{as_text(compare(sessions, ours, theirs, [CUTOFF]))}")


def as_text(table: pd.DataFrame) -> str:
    """A table, with four digits."""
    return str(table.to_string(index=False, float_format="{:.4f}".format))


def search(given: argparse.Namespace, task: tuple[str, int]) -> Trial:
    """Finds the best epoch of a model with the options of a trial."""
    name, nth = task
    options, begun = options_of(name, nth), time.process_time()
    valid = read_part(given.folder, "train_valid")
    n_valid = valid["SessionId"].nunique()
    valid = newest_sessions(valid, (given.valid or n_valid) / n_valid)
    train = newest_sessions(read_part(given.folder, "train_tr"), given.newest)
    measured = []
    if name == "GRU4Rec":
        metric = f"mrr@{CUTOFF}"
        gru, training = split_options(options)
        model = GRU4Rec(**gru).fit(train, valid=valid, patience=PATIENCE, metric=metric, **training)
        measured = model.history[metric].tolist()
    else:
        for sasrec in epochs_of_sasrec(options, train):
            measured.append(batch_eval(sasrec, valid, CUTOFF)[1][CUTOFF])
            if len(measured) - np.argmax(measured) > PATIENCE:
                break
    trial = Trial(max(measured), int(np.argmax(measured)) + 1, options)
    print(f"{name} {nth} ({time.process_time() - begun:.0f} s): {trial}", flush=True)
    return trial


def finish(given: argparse.Namespace, task: tuple[str, Trial, int]) -> Final:
    """Trains a model with the best options and another seed, and ranks the targets of test."""
    name, trial, seed = task
    train = newest_sessions(read_part(given.folder, "train_full"), given.newest)
    options = {**trial.options, "n_epochs": trial.n_epochs, "seed": seed + 1}
    begun = time.process_time()
    model = fit(name, options, train)
    seconds = time.process_time() - begun
    ranked = rank_events(model, read_part(given.folder, "test"))
    print(f"{name}, seed {seed + 1}: {seconds:.0f} s", flush=True)
    return Final(seconds, ranked.sessions, ranked.ranks)


def options_of(name: str, nth: int) -> Options:
    """Options of the trial with this number, from 0: the same however many there are."""
    draw = random.Random(f"{name} {nth}")  # noqa: S311  (no secret)
    drawn = {option: draw.choice(values) for option, values in SPACES[name].items()}
    return {**(drawn if nth else KNOWN[name]), **COMMON}


def fit(name: str, options: Options, train: pd.DataFrame) -> GRU4Rec | SASRec:
    """Trains for `n_epochs`."""
    if name == "SASRec":
        return SASRec(**options).fit(train)
    gru, training = split_options(options)
    return GRU4Rec(**gru).fit(train, **training)


def split_options(options: Options) -> tuple[Options, Options]:
    """Those of GRU4Rec, and those of its `fit`."""
    training = {"learning_rate_decay": options.get("learning_rate_decay", 1.0)}
    return {name: options[name] for name in options if name not in training}, training


def epochs_of_sasrec(options: Options, train: pd.DataFrame) -> Iterator[NextItemModel]:
    """Yields the model after each epoch of its training."""
    sessions = order_sessions(train, "SessionId", "ItemId", "Time")
    vocabulary = Vocabulary.from_items(sessions.items)
    model = SASRec(**options)
    indices = vocabulary.encode(sessions.items)
    for _ in model.train(indices, sessions.offsets, len(vocabulary)):
        yield Unfinished(vocabulary, model.score_next)


if __name__ == "__main__":
    main()
