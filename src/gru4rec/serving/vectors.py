"""Items and sessions as vectors, whose inner products are the scores."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gru4rec.data.vocabulary import UNKNOWN, Indices, Vocabulary
from gru4rec.errors import DataError, shown
from gru4rec.model.network import Network
from gru4rec.serving.recommendations import final_states, reading

_NAMED = 20  # ids in a message


def find_items(items: Any, vocabulary: Vocabulary) -> Indices:
    """Finds items that must be known, repeats included, shape (n,).

    Raises:
        DataError: `items` is no collection of ids, of another kind than the model's ids, or some
            are unknown, which are named.
    """
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise DataError(f"items is {shown(items)}; a collection of item ids is expected")
    ids = items if isinstance(items, pd.Series | np.ndarray) else list(items)
    indices = vocabulary.encode(ids)
    unknown = np.flatnonzero(indices == UNKNOWN)
    if len(unknown):
        listed = ids.tolist() if isinstance(ids, pd.Series | np.ndarray) else ids
        different = list(dict.fromkeys(listed[place] for place in unknown))
        named = ", ".join(shown(item) for item in different[:_NAMED])
        more = f" and {len(different) - _NAMED:,} more" if len(different) > _NAMED else ""
        some = f"{len(unknown):,} of the {len(listed):,} items:" if len(listed) > 1 else "the item"
        raise DataError(f"the model does not know {some} {named}{more}")
    return indices


def item_vectors(network: Network, vocabulary: Vocabulary, items: Any) -> pd.DataFrame:
    """Returns output embeddings with their biases behind; see `GRU4Rec.item_vectors`."""
    ids: Any = vocabulary.ids
    output, bias = network.tables["output"], network.tables["bias"]
    if items is not None:
        indices = find_items(items, vocabulary)
        rows = torch.from_numpy(indices).to(network.device)
        ids, output, bias = vocabulary.decode(indices), output[rows], bias[rows]
    with reading():
        matrix = torch.cat([output, bias[:, None]], dim=1).cpu().numpy()
    return pd.DataFrame({"item": ids, "vector": _rows(matrix)})


def session_vectors(
    network: Network,
    sessions: npt.NDArray[Any],
    items: Indices,
    offsets: npt.NDArray[np.int64],
    at_a_time: int,
) -> pd.DataFrame:
    """Returns the last layer's states with ones behind; see `GRU4Rec.session_vectors`.

    Args:
        network: The weights.
        sessions: Their ids, shape (n,).
        items: Item indices, session after session.
        offsets: Session s owns items[offsets[s]:offsets[s + 1]], shape (n + 1,).
        at_a_time: Sessions that are computed together.
    """
    units = network.architecture.layers[-1]
    matrix = np.ones((len(sessions), units + 1), dtype=np.float32)
    with reading():
        for first in range(0, len(sessions), at_a_time):
            states = final_states(network, items, offsets[first : first + at_a_time + 1])
            matrix[first : first + at_a_time, :-1] = states.cpu().numpy()
    return pd.DataFrame({"session": sessions, "vector": _rows(matrix)})


def _rows(matrix: npt.NDArray[np.float32]) -> "Sequence[Any] | pd.Series[Any]":
    """The rows of a matrix, each an array, as a column."""
    return pd.Series(list(matrix), dtype=object)
