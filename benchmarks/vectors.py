"""An index of vectors beside exact scores: `python -m benchmarks.vectors --items 1000000`.

It needs the extra `ann`. A model is trained for one epoch on a simulated log; where `--model` names
its file it is kept there, with sessions beside it, and the next call takes both. `--copies 5` makes
a larger catalogue: each item five times, with noise of a tenth of its coordinates' deviation.

The index is a product quantisation of 4 bits (Jégou et al. 2011, André et al. 2017): it scans all
items in a sixteenth to an eighth of their memory, and the best so many are scored again by their
vectors. Exact is `live.recommend`. Both run on one thread, in turns. Times are the processor's:
what else the machine does lengthens them less than those of the clock.
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from benchmarks.measure import peak_memory
from gru4rec import GRU4Rec
from gru4rec.columns import ITEM, SESSION
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.model.network import Network
from gru4rec.serving import LiveSession
from gru4rec_kedro.simulate import simulate_sessions

K = 20
AGAIN = [100, 200, 500, 1000]  # items that are scored again
Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains or reads a model, builds the index and prints a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.vectors")
    parser.add_argument("--items", type=int, default=1_000_000, help="of the simulated log")
    parser.add_argument("--sessions", type=int, default=1_000_000, help="of the simulated log")
    parser.add_argument("--units", type=int, default=100, help="of the model")
    parser.add_argument("--copies", type=int, default=1, help="of each item, with noise")
    parser.add_argument("--queries", type=int, default=200, help="sessions to answer")
    parser.add_argument("--coordinates", type=int, default=1, help="that have 4 bits together")
    parser.add_argument("--model", type=Path, help="file of the model; made where it is not there")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    faiss.omp_set_num_threads(1)
    gru, sessions = model_and_sessions(options)
    network, vocabulary = copied(gru, options.copies)
    lives = [begin(network, vocabulary, gru.vocabulary.encode(items)) for items in sessions]
    queries = np.stack(gru.session_vectors(sessions)["vector"].to_list())
    del gru
    vectors = matrix_of(network, options.coordinates)
    queries = np.pad(queries, ((0, 0), (0, vectors.shape[1] - queries.shape[1])))
    begun = time.process_time()
    index = build(vectors, options.coordinates)
    seconds = time.process_time() - begun
    print(f"{len(vectors):,} items × {vectors.shape[1]}, index in {seconds:.0f} s\n", flush=True)
    exact = compare(vectors, queries, index, lives)
    print(f"\nmisused, top {K} of {len(queries)} sessions by exact search: recall")
    for name, found in misused(vectors, queries, network.architecture.layers[-1]):
        print(f"{name}: {recall(found, exact):.3f}")
    print(f"\npeak memory {peak_memory() / 1e9:.1f} GB")


def model_and_sessions(options: argparse.Namespace) -> tuple[GRU4Rec, "pd.Series[Any]"]:
    """Trains a model for one epoch, or reads it; and the last sessions of its log."""
    kept = options.model
    if kept and kept.exists():
        gru, last = GRU4Rec.load(kept, device="cpu"), pd.read_parquet(kept.with_suffix(".parquet"))
    else:
        log = simulate_sessions(options.sessions, options.items, np.random.default_rng(1))
        gru, last = make_model(log, options.units), log.tail(60_000)
        if kept:
            gru.save(kept, with_optimizer=False)
            last.to_parquet(kept.with_suffix(".parquet"))
    return gru, last.groupby(SESSION)[ITEM].agg(list).tail(options.queries)


def make_model(log: pd.DataFrame, units: int) -> GRU4Rec:
    """Trains a model for one epoch."""
    gru = GRU4Rec(
        layers=[units],
        n_sample=512,
        batch_size=256,
        n_epochs=1,
        learning_rate=0.1,
        logq=1.0,
        device="cpu",
    )
    return gru.fit(log, compatibility_mode=False)


def copied(gru: GRU4Rec, n: int) -> tuple[Network, Vocabulary]:
    """The network with each item n times, the first time as it is, and ids from 0."""
    tables, generator = {}, torch.Generator().manual_seed(2)
    for name, table in gru.network.tables.items():
        tables[name] = table.repeat(n, *[1] * (table.ndim - 1))
        copies = tables[name][len(table) :]
        copies += 0.1 * table.std() * torch.randn(copies.shape, generator=generator)
    ids = np.arange(n * len(gru.vocabulary))
    return Network(gru.network.architecture, tables, gru.network.dense), Vocabulary(ids)


def begin(network: Network, vocabulary: Vocabulary, items: Ints) -> LiveSession:
    """A live session that has had its items."""
    live = LiveSession(network, vocabulary, str)
    for item in items.tolist():
        live.add(item)
    return live


def matrix_of(network: Network, multiple: int) -> Floats:
    """What `item_vectors` gives, in one piece, with zeros up to a multiple of coordinates."""
    output, bias = network.tables["output"], network.tables["bias"]
    vectors = torch.zeros(len(output), -(-(output.shape[1] + 1) // multiple) * multiple)
    vectors[:, : output.shape[1]], vectors[:, output.shape[1]] = output, bias
    found: Floats = vectors.numpy()
    return found


def build(vectors: Floats, coordinates: int) -> Any:
    """A product quantisation of so many coordinates to 4 bits."""
    width = vectors.shape[1]
    index = faiss.IndexPQFastScan(width, width // coordinates, 4, faiss.METRIC_INNER_PRODUCT)
    some = np.random.default_rng(0).choice(len(vectors), min(len(vectors), 100_000), replace=False)
    index.train(vectors[some])
    index.add(vectors)
    return index


def search(vectors: Floats, index: Any, query: Floats, n: int) -> Ints:
    """The best items of the n that the index finds."""
    _, found = index.search(query[None], n)
    some = found[0][found[0] >= 0]
    best: Ints = some[np.argsort(-(vectors[some] @ query))[:K]]
    return best


def compare(
    vectors: Floats, queries: Floats, index: Any, lives: Sequence[LiveSession]
) -> list[Ints]:
    """Prints a table of times and recall, and returns the exact items of each session."""
    exact: list[Ints] = []
    found: dict[int, list[Ints]] = {n: [] for n in AGAIN}
    seconds = np.empty((len(lives), 1 + len(AGAIN)))
    for number, live in enumerate(lives):
        begun = time.process_time()
        best = live.recommend(K)
        seconds[number, 0] = time.process_time() - begun
        exact.append(best["item"].to_numpy())  # ids are indices here
        for place, n in enumerate(AGAIN, start=1):
            begun = time.process_time()
            found[n].append(search(vectors, index, queries[number], n))
            seconds[number, place] = time.process_time() - begun
    theirs, *ours = 1000 * np.median(seconds, axis=0)
    print(f"| scored again | recall of the exact top {K} | time | exact | times as fast |")
    print("|---|---|---|---|---|")
    for n, own in zip(AGAIN, ours, strict=True):
        cells = f"{recall(found[n], exact):.4f} | {own:.2f} ms | {theirs:.1f} ms"
        print(f"| {n} | {cells} | {theirs / own:.0f} |", flush=True)
    return exact


def recall(found: Sequence[Ints], exact: Sequence[Ints]) -> float:
    """Share of the exact items that were found."""
    hits = [np.isin(right, some).sum() for some, right in zip(found, exact, strict=True)]
    return float(np.sum(hits) / sum(map(len, exact)))


def misused(vectors: Floats, queries: Floats, units: int) -> list[tuple[str, list[Ints]]]:
    """What stores find that are asked for another measure, or given vectors without the biases."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    bias = vectors[:, units]
    own = np.sqrt(lengths**2 - bias**2)
    found: dict[str, list[Ints]] = {}
    for query in queries:
        inner = vectors @ query
        bare = inner - bias
        scores = {
            "cosine": inner / lengths,
            "cosine, no biases": bare / own,
            "Euclidean distance": 2 * inner - lengths**2,
            "inner product, no biases": bare,
        }
        for name, values in scores.items():
            found.setdefault(name, []).append(np.argpartition(-values, K)[:K])
    return list(found.items())


if __name__ == "__main__":
    main()
