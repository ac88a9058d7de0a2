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
    output = network.tables["output"]
    size = max(1, _BLOCK // len(output))
    blocks = [wanted[first : first + size] for first in range(0, len(wanted), size)]
    with reading():
        # an embedding of zeros is like no other: 0
        lengths = torch.linalg.vector_norm(output, dim=1).clamp(min=torch.finfo(output.dtype).tiny)
        best = join(
            _nearest(network, _cosines(network, lengths, block, counts), block, shortlist, k)
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


def _cosines(network: Network, lengths: Tensor, items: Indices, counts: Tensor | None) -> Tensor:
    """Cosines of some output embeddings with all, shape (n, n_items).

    With `counts` a line is fitted by least squares to the cosines of each item over log(count) of
    the others, and its slope taken out: what is left does not grow with popularity.
    """
    output = network.tables["output"]
    rows = torch.from_numpy(items).to(network.device)
    unit = output[rows] / lengths[rows, None]
    cosines = network.engine.scores(output, torch.zeros_like(lengths), unit) / lengths
    if counts is None:
        return cosines
    logs = counts.to(network.device).clamp(min=1).to(cosines.dtype).log()
    logs -= logs.mean()
    slopes = cosines @ logs / (logs @ logs).clamp(min=torch.finfo(logs.dtype).tiny)
    return cosines - slopes[:, None] * logs


def _nearest(
    network: Network, cosines: Tensor, items: Indices, shortlist: Shortlist | None, k: int
) -> Best:
    """The k highest of each row, but for the row's own; of a shortlist, if there is one."""
    cosines[np.arange(len(items)), items] = -torch.inf
    if shortlist is None:
        return network.engine.best_of(cosines, min(k, cosines.shape[1]))
    allowed = cosines[:, torch.from_numpy(shortlist.indices).to(cosines.device)]
    best = network.engine.best_of(allowed, min(k, len(shortlist)))
    return best._replace(items=shortlist.indices[best.items])
