"""Hidden states between steps."""

from torch import Tensor


def reset_states(hidden: list[Tensor], starts: Tensor) -> list[Tensor]:
    """Cuts the states to the lanes that are left and zeroes those that begin a session, in place.

    Args:
        hidden: Per layer (lanes so far, units).
        starts: Shape (lanes left,), bool.
    """
    hidden = [h[: len(starts)] for h in hidden]
    if starts.device.type != "cpu":
        return [h.masked_fill_(starts[:, None], 0.0) for h in hidden]
    from gru4rec.compute.compiled import row_kernels  # noqa: PLC0415  (half a second)

    for h in hidden:
        row_kernels.zero_rows(h.numpy(), starts.numpy())
    return hidden
