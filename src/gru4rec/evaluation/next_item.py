"""What can be evaluated: whatever scores the next item."""

from collections.abc import Callable
from types import MethodType
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import DataError
from gru4rec.model.network import Network


class NextItemModel(Protocol):
    """Whatever can be evaluated: GRU4Rec, a baseline, a class of your own."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The items that it scores; all others are left out of the evaluation."""

    def score_next(
        self, items: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.floating[Any]]:
        """Scores every item as the next one of each session so far.

        Args:
            items: Item indices of the sessions, oldest first, shape (n_events,).
            offsets: Session r so far is items[offsets[r]:offsets[r + 1]], which is not empty; shape
                (n + 1,).

        Returns:
            Higher is better, shape (n, n_items), a NumPy array of floats; −inf excludes an item,
            +inf and NaN are refused. It may depend on no other session.
        """


ScoreNext = TypeVar("ScoreNext", bound=Callable[..., Any])
_BY_NETWORK: set[Callable[..., Any]] = set()


def by_network(score_next: ScoreNext) -> ScoreNext:
    """Says of a class's `score_next` that its scores are those of the object's `network`.

    The evaluation then reads each session once and ranks in tiles, with the same results. What
    overrides, replaces or wraps it is asked for its scores, as any other model is.
    """
    _BY_NETWORK.add(score_next)
    return score_next


def network_of(model: NextItemModel) -> Network | None:
    """The network that decides alone; None where the model is to be asked."""
    ask: Any = model.score_next
    if not isinstance(ask, MethodType) or ask.__func__ not in _BY_NETWORK:
        return None
    owner: Any = ask.__self__
    network: Network = owner.network
    return network if owner is model else None


def check_model(model: Any) -> None:
    """Refuses what does not answer the questions of `NextItemModel`, and says what it lacks."""
    what = f"class {model.__name__}" if isinstance(model, type) else type(model).__name__
    lacks = [] if callable(getattr(model, "score_next", None)) else ["no method score_next"]
    if not isinstance(getattr(model, "vocabulary", None), Vocabulary):
        lacks.append("no vocabulary (a gru4rec.data.vocabulary.Vocabulary)")
    if lacks:
        raise DataError(
            f"cannot evaluate the {what}: it has {' and '.join(lacks)}; a trained GRU4Rec, a "
            "baseline, or another gru4rec.evaluation.NextItemModel is expected"
        )


def checked(scores: Any, shape: tuple[int, int], origin: str) -> npt.NDArray[np.floating[Any]]:
    """Refuses scores that would be counted as hits or misses of which nobody knows.

    Raises:
        DataError: They are no array of floats of this shape, or NaN or +inf is among them.
    """
    is_plain = isinstance(scores, np.ndarray) and not isinstance(scores, np.ma.MaskedArray)
    if not is_plain or scores.dtype.kind != "f":
        got = f"{type(scores).__module__}.{type(scores).__name__}"
        kind = f" of {scores.dtype}" if isinstance(scores, np.ndarray) else ""
        raise DataError(
            f"{origin} returned {got}{kind}; a NumPy array of floats is expected, with -inf for "
            "items to leave out"
        )
    if scores.shape != shape:
        raise DataError(
            f"{origin} returned shape {scores.shape}; {shape} is expected: a row for each session, "
            "a column for each item of the vocabulary"
        )
    plain: npt.NDArray[np.floating[Any]] = np.asarray(scores)
    if not plain.max() < np.inf:  # of NaN it is NaN
        n_nan = int(np.isnan(plain).sum())
        what = f"{n_nan} NaN" if n_nan else f"{int(np.isposinf(plain).sum())} +inf"
        raise DataError(
            f"{origin} returned {what} among {plain.size} scores, as a division by zero or an "
            "overflow does; finite numbers are expected, and -inf for items to leave out"
        )
    return plain
