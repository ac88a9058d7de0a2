"""One thread for processes that are forked from this one.

A child has the thread that forked it, and no other. OpenMP does not know: where torch, or a loop of
ours, has computed on several threads before, the child would wait for them forever.
"""

import os
import sys


def keep_children_on_one_thread() -> None:
    """Lets torch, and the loops that go by its number of threads, compute in forked children."""
    if hasattr(os, "register_at_fork"):  # Windows starts processes anew
        os.register_at_fork(after_in_child=_set_one_thread)


def _set_one_thread() -> None:
    if torch := sys.modules.get("torch"):  # else nothing has computed yet
        torch.set_num_threads(1)
