"""Simple recommenders to set beside GRU4Rec: `rank_events` and `batch_eval` take any of them."""

from gru4rec.baselines.base import Baseline
from gru4rec.baselines.neighbours import SKNN, STAN, VSKNN
from gru4rec.baselines.popularity import Popularity, SessionPopularity
from gru4rec.baselines.transitions import ItemKNN, MarkovChain

__all__ = [
    "SKNN",
    "STAN",
    "VSKNN",
    "Baseline",
    "ItemKNN",
    "MarkovChain",
    "Popularity",
    "SessionPopularity",
]
