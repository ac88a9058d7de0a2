"""The sample log is worth a model: GRU4Rec beats what counts alone can do."""

from pathlib import Path

import numpy as np
import pandas as pd

from gru4rec import GRU4Rec, rank_events, train_valid_test_split
from gru4rec.evaluation import mrr_at, recall_at

ROOT = Path(__file__).parents[2]


def ranks_of(scores: np.ndarray, targets: np.ndarray) -> np.ndarray:
    own = np.take_along_axis(scores, targets[:, None], axis=1)
    return (scores >= own).sum(axis=1).astype(float)


def test_gru4rec_beats_popularity_and_a_markov_chain():
    log = pd.read_csv(ROOT / "data/01_raw/sample_clicks.csv").sort_values(["SessionId", "Time"])
    train, valid, test = train_valid_test_split(log)
    train = pd.concat([train, valid])
    items = pd.Index(train["ItemId"].unique())
    test = test[test["ItemId"].isin(items)]

    def transitions(events):
        same = events["SessionId"].to_numpy()[1:] == events["SessionId"].to_numpy()[:-1]
        codes = items.get_indexer(events["ItemId"])
        return codes[:-1][same], codes[1:][same]

    counts = np.zeros((len(items), len(items)))
    np.add.at(counts, transitions(train), 1.0)
    popularity = counts.sum(axis=0)
    last, target = transitions(test)
    # ties of the chain are broken by popularity
    chain = ranks_of(counts[last] + popularity / (popularity.max() + 1), target)
    popular = ranks_of(np.broadcast_to(popularity, (len(target), len(items))), target)

    gru = GRU4Rec(
        layers=[64],
        batch_size=64,
        n_sample=256,
        n_epochs=4,
        learning_rate=0.1,
        logq=1.0,
        device="cpu",
    )
    ranked = rank_events(gru.fit(train), test)
    assert len(ranked.ranks) == len(target)
    for metric in (recall_at, mrr_at):
        assert metric(ranked.ranks, 20) > 1.2 * metric(chain, 20)
        assert metric(ranked.ranks, 20) > 2 * metric(popular, 20)
