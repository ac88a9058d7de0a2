"""Hidden states between steps."""

from torch import Tensor

from gru4rec.compute import engine_of


def reset_states(hidden: list[Tensor], starts: Tensor) -> list[Tensor]:
    """Cuts the states to the lanes that are left and zeroes those that begin a session, in place.

    Args:
        hidden: Per layer (lanes so far, units).
        starts: Shape (lanes left,), bool.
    """
    n = starts.shape[0]
    return engine_of(starts.device).reset_states([h[:n] for h in hidden], starts)
