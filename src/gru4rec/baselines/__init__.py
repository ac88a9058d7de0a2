"""Recommenders to set beside GRU4Rec: `rank_events` and `batch_eval` take any of them.

A new one is a subclass of `Baseline`, whose options are the arguments of its constructor, and an
entry in `BASELINES`.
"""

from gru4rec.baselines.base import Baseline
from gru4rec.baselines.neighbours import SKNN, STAN, VSKNN
from gru4rec.baselines.popularity import Popularity, SessionPopularity
from gru4rec.baselines.sasrec import SASRec
from gru4rec.baselines.transitions import ItemKNN, MarkovChain

# by the name that options have
BASELINES: dict[str, type[Baseline]] = {
    "popularity": Popularity,
    "session_popularity": SessionPopularity,
    "markov_chain": MarkovChain,
    "item_knn": ItemKNN,
    "sknn": SKNN,
    "vsknn": VSKNN,
    "stan": STAN,
    "sasrec": SASRec,
}

__all__ = [
    "BASELINES",
    "SKNN",
    "STAN",
    "VSKNN",
    "Baseline",
    "ItemKNN",
    "MarkovChain",
    "Popularity",
    "SASRec",
    "SessionPopularity",
]
