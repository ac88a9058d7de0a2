"""What a live session has come to, as plain values that another process can go on from."""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import Tensor

from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import DataError, shown
from gru4rec.model.network import Network


class SessionState(TypedDict):
    """A live session as plain values, which JSON, pickle and databases keep without loss.

    Attributes:
        model: Digest of the model that the hidden states are of.
        items: Ids of all items, oldest first, also of those that the model does not know.
        hidden: One text for each layer: base64 of its units as little-endian 32-bit floats.
    """

    model: str
    items: list[Any]
    hidden: list[str]


def digest_of(network: Network, vocabulary: Vocabulary) -> str:
    """Sums up what recommendations depend on, weights and items, in 32 hexadecimal digits."""
    digest = hashlib.sha256()
    tensors = {**network.tables, **network.dense}
    arrays = [tensors[name].cpu().numpy() for name in sorted(tensors)]
    for array in (*arrays, pd.util.hash_array(vocabulary.ids)):
        digest.update(str((array.dtype.str, array.shape)).encode())
        digest.update(np.ascontiguousarray(array).data.cast("B"))
    return digest.hexdigest()[:32]


def as_text(layers: Iterable[bytes]) -> list[str]:
    """Turns the units of each layer, little-endian 32-bit floats, to base64."""
    return [base64.b64encode(layer).decode() for layer in layers]


def from_text(hidden: Sequence[str]) -> list[npt.NDArray[np.float32]]:
    """Does the reverse of `as_text`, per layer (units,).

    Raises:
        DataError: It is no base64 of 32-bit floats.
    """
    try:
        return [np.frombuffer(base64.b64decode(text, validate=True), "<f4") for text in hidden]
    except (TypeError, ValueError):
        raise DataError(f"the hidden states of a session are {shown(hidden)}, no base64") from None


def pack(hidden: Sequence[Tensor]) -> list[str]:
    """Turns the hidden states of one session, per layer (1, units), to text, to the last bit."""
    arrays = [layer.cpu().numpy().astype("<f4", copy=False) for layer in hidden]
    return as_text(array.tobytes() for array in arrays)


def unpack(hidden: Sequence[str], network: Network) -> list[Tensor]:
    """Does the reverse of `pack`.

    Raises:
        DataError: They are no states of this network.
    """
    arrays = from_text(hidden)
    units = [len(array) for array in arrays]
    if units != list(network.architecture.layers) or not all(np.isfinite(a).all() for a in arrays):
        raise DataError(
            f"the state of a session has {units} finite units by layer; the model it names has "
            f"{list(network.architecture.layers)}"
        )
    states = [torch.from_numpy(array.astype(np.float32)) for array in arrays]
    return [state.unsqueeze(0).to(network.device) for state in states]


def check_state(state: Any) -> SessionState:
    """Checks the form of a state, wherever it was kept.

    Raises:
        DataError: It is not what `LiveSession.state` returns.
    """
    if (
        not isinstance(state, dict)
        or not isinstance(state.get("model"), str)
        or not isinstance(state.get("items"), list)
        or not isinstance(state.get("hidden"), list)
    ):
        raise DataError(f"state is {shown(state)}; give what state() of a live session returned")
    return SessionState(model=state["model"], items=state["items"], hidden=state["hidden"])
