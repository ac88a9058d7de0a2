"""Items that are alike for the model."""

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from gru4rec.compute import Best
from gru4rec.data.vocabulary import Indices, Vocabulary
from gru4rec.evaluation.ranking import join
from gru4rec.model.network import Network
from gru4rec.serving.recommendations import check_k, reading
from gru4rec.serving.shortlist import Shortlist
from gru4rec.serving.vectors import find_items

_BLOCK = 1 << 25  # cosines in memory at once


def similar_items(
    network: Network,
    vocabulary: Vocabulary,
    items: Any,
    k: int,
    shortlist: Shortlist | None,
    counts: Tensor | None,
) -> pd.DataFrame:
    """Finds the items with the highest cosine to others; see `GRU4Rec.similar_items`.

    Args:
        network: The weights.
        vocabulary: The items of the model.
        items: Ids of known ones.
        k: How many for each.
        shortlist: The only ones to find.
        counts: Events of each item, whose influence is taken out; None takes none out.
    """
    check_k(k)
    wanted = find_items(items, vocabulary)
    allowed = np.arange(len(vocabulary)) if shortlist is None else shortlist.indices
    output = network.tables["output"]
    size = max(1, _BLOCK // len(output))
    blocks = [wanted[first : first + size] for first in range(0, len(wanted), size)]
    with reading():
        # an embedding of zeros is like no other: 0
        lengths = torch.linalg.vector_norm(output, dim=1).clamp(min=torch.finfo(output.dtype).tiny)
        best = join(
            _nearest(_cosines(network, lengths, block, counts), block, allowed, k)
            for block in blocks
        )
    return pd.DataFrame(
        {
            "similar_to": vocabulary.decode(wanted).repeat(best.lengths),
            "rank": [rank for n in best.lengths for rank in range(1, n + 1)],
            "item": vocabulary.decode(best.items),
            "score": best.scores,
        }
    ).astype({"rank": np.int64})


def _cosines(network: Network, lengths: Tensor, items: Indices, counts: Tensor | None) -> Any:
    """Cosines of some output embeddings with all, shape (n, n_items).

    With `counts` a line is fitted by least squares to the cosines of each item over log(count) of
    the others, and its slope taken out: what is left does not grow with popularity.
    """
    output = network.tables["output"]
    rows = torch.from_numpy(items).to(network.device)
    unit = output[rows] / lengths[rows, None]
    cosines = network.engine.scores(output, torch.zeros_like(lengths), unit) / lengths
    if counts is None:
        return cosines.cpu().numpy()
    logs = counts.to(network.device).clamp(min=1).to(cosines.dtype).log()
    logs -= logs.mean()
    slopes = cosines @ logs / (logs @ logs).clamp(min=torch.finfo(logs.dtype).tiny)
    return (cosines - slopes[:, None] * logs).cpu().numpy()


def _nearest(cosines: Any, items: Indices, allowed: Indices, k: int) -> Best:
    """The k highest of each row among some columns, but for the row's own; equal ones by index."""
    cosines[np.arange(len(items)), items] = -np.inf
    found, scores = [], []
    for row in cosines:
        of = row[allowed]
        n = min(k, int((of > -np.inf).sum()))
        best = np.flatnonzero(of >= np.partition(of, -n)[-n]) if n else np.empty(0, np.int64)
        best = best[np.argsort(-of[best], kind="stable")][:n]
        found.append(allowed[best])
        scores.append(of[best])
    lengths = np.array([len(one) for one in found], dtype=np.int64)
    return Best(np.concatenate(found), np.concatenate(scores), lengths)
