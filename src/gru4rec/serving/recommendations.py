"""From sessions to the frame of their best next items."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from numbers import Integral
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from gru4rec.compute import Best
from gru4rec.data.vocabulary import UNKNOWN, Indices, Vocabulary
from gru4rec.errors import DataError, shown
from gru4rec.evaluation.ranking import top_k
from gru4rec.model.network import Network
from gru4rec.serving.shortlist import Shortlist

logger = logging.getLogger(__name__)


@contextmanager
def reading() -> Iterator[None]:
    """Sets torch up, in the calling thread, for a model that is only read: no gradients.

    A thread begins with OpenMP's number of threads and takes over torch's when it is asked for it.
    Without that its first answer could differ from later ones in the last bit.
    """
    torch.get_num_threads()
    with torch.inference_mode():
        yield


_COLUMNS = pd.Index(["session", "rank", "item", "score"])


def as_column(sessions: Sequence[Any]) -> npt.NDArray[Any]:
    """Returns ids of sessions in the type that pandas gives them, shape (n,)."""
    return pd.Series(sessions).to_numpy()


def check_k(k: int) -> None:
    """Checks how many items are asked for.

    Raises:
        DataError: It is not a whole number, or less than one.
    """
    if not isinstance(k, Integral) or k < 1:
        raise DataError(
            f"k is {shown(k)}; a whole number of items, at least one, must be asked for"
        )


def read_sessions(
    sessions: Mapping[Any, Sequence[Any]] | Sequence[Sequence[Any]],
) -> dict[Any, list[Any]]:
    """Brings the argument `sessions` into one form: items of each session by its id.

    Raises:
        DataError: It is not a collection of lists, or a session is there twice.
    """
    if isinstance(sessions, str) or not isinstance(sessions, Iterable):
        raise DataError(f"sessions is {shown(sessions)}; a list of sessions is expected")
    if isinstance(sessions, pd.DataFrame):
        names = ", ".join(map(shown, sessions.columns[:5]))
        raise DataError(
            f"sessions is a table with the columns {names}; give the list of items of each session "
            "instead: events.groupby('SessionId')['ItemId'].agg(list), of events in order of time"
        )
    if isinstance(sessions, pd.Series):
        if not sessions.index.is_unique:
            twice = sessions.index[sessions.index.duplicated()].tolist()[0]
            raise DataError(
                f"session {shown(twice)} is in the index twice; give each an id of its own"
            )
        sessions = sessions.to_dict()
    keyed = sessions if isinstance(sessions, Mapping) else dict(enumerate(sessions))
    for key, items in keyed.items():
        if isinstance(items, str) or not isinstance(items, Iterable):
            raise DataError(
                f"session {shown(key)} is {shown(items)}; a list of its items is expected"
            )
    return {key: list(items) for key, items in keyed.items()}


def encode_sessions(
    keyed: Mapping[Any, list[Any]], vocabulary: Vocabulary
) -> tuple[Indices, npt.NDArray[np.int64]]:
    """Looks the items of sessions up, and leaves out those that the model does not know.

    Args:
        keyed: See `read_sessions`.
        vocabulary: The items of the model.

    Returns:
        Indices of the known items, session after session, and offsets: session s owns
        indices[offsets[s]:offsets[s + 1]].

    Raises:
        DataError: Items are of another kind than the model's.
    """
    indices = vocabulary.encode([item for items in keyed.values() for item in items])
    is_known = indices != UNKNOWN
    if not is_known.all():
        logger.warning(
            "%d of %d items in the sessions are unknown to the model and skipped",
            len(indices) - is_known.sum(),
            len(indices),
        )
    ends = np.cumsum([0, *(len(items) for items in keyed.values())])
    return indices[is_known], np.concatenate([[0], np.cumsum(is_known)])[ends]


def final_states(network: Network, items: Indices, offsets: npt.NDArray[np.int64]) -> Tensor:
    """Reads whole sessions and returns the last layer's states after them, shape (n, units).

    Args:
        network: The weights.
        items: Item indices, session after session.
        offsets: Session s owns items[offsets[s]:offsets[s + 1]], shape (n + 1,); one without items
            stays at the zero state.
    """
    return go_on(network, network.zero_state(len(offsets) - 1), items, offsets)[-1]


def go_on(
    network: Network, hidden: list[Tensor], items: Indices, offsets: npt.NDArray[np.int64]
) -> list[Tensor]:
    """Returns the states of sessions after more items, per layer (n, units).

    Args:
        network: The weights.
        hidden: Their states so far, per layer (n, units).
        items: See `final_states`.
        offsets: See `final_states`.
    """
    lengths = np.diff(offsets)
    longest_first = np.argsort(-lengths, kind="stable")
    begins, lengths = offsets[:-1][longest_first], lengths[longest_first]
    order = torch.from_numpy(longest_first).to(network.device)
    hidden = [layer[order] for layer in hidden]
    for step in range(int(lengths.max(initial=0))):
        # sessions that still go on are the first ones
        n = int(np.searchsorted(-lengths, -step, side="left"))
        advanced = network.read(items[begins[:n] + step], [h[:n] for h in hidden])
        for h, new in zip(hidden, advanced, strict=True):
            h[:n] = new
    back = order.argsort()
    return [layer[back] for layer in hidden]


def best_items(
    network: Network,
    states: Tensor,
    k: int,
    seen: list[list[int]] | None,
    shortlist: Shortlist | None,
) -> Best:
    """Returns the k best items of each state, of the shortlist or of the whole catalogue."""
    if shortlist is None:
        return top_k(network, states, k, seen)
    return shortlist.top_k(network, states, k, seen)


def recommendations(vocabulary: Vocabulary, sessions: npt.NDArray[Any], best: Best) -> pd.DataFrame:
    """Returns the best items as a frame: session, rank (from 1), item, score.

    Args:
        vocabulary: The items of the model.
        sessions: Their ids, see `as_column`, shape (n,).
        best: The items of each.
    """
    before = np.cumsum(best.lengths) - best.lengths
    columns = (
        sessions.repeat(best.lengths),
        np.arange(1, len(best.items) + 1) - before.repeat(best.lengths),
        vocabulary.decode(best.items),
        best.scores,
    )
    frame = pd.DataFrame(dict(enumerate(columns)), copy=False)  # nobody else has these arrays
    # most of the time of making a small frame would go to its names
    frame.columns = _COLUMNS.view()
    return frame
