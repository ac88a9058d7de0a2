"""Items that are alike for the model."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gru4rec.data.vocabulary import UNKNOWN, Vocabulary
from gru4rec.errors import DataError, shown
from gru4rec.model.network import Network
from gru4rec.serving.recommendations import check_k, reading


def similar_items(network: Network, vocabulary: Vocabulary, item: Any, k: int) -> pd.DataFrame:
    """Finds the items with the highest cosine to one; see `GRU4Rec.similar_items`."""
    check_k(k)
    index = vocabulary.find(item)
    if index == UNKNOWN:
        raise DataError(f"the model does not know the item {shown(item)}")
    output = network.tables["output"]
    with reading():
        # an embedding of zeros is like no other: 0
        lengths = torch.linalg.vector_norm(output, dim=1).clamp(min=torch.finfo(output.dtype).tiny)
        cosines = (output @ (output[index] / lengths[index]) / lengths).cpu().numpy()
    cosines[index] = -np.inf  # not itself
    k = min(k, len(cosines) - 1)
    best = np.flatnonzero(cosines >= np.partition(cosines, -k)[-k]) if k else np.empty(0, np.int64)
    best = best[np.argsort(-cosines[best], kind="stable")][:k]
    return pd.DataFrame(
        {"rank": np.arange(1, k + 1), "item": vocabulary.decode(best), "score": cosines[best]}
    )
