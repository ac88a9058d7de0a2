"""Computes on two threads, forks, and lets the child do the same; see `test_forking.py`."""

import multiprocessing
import os
import sys
import threading
import warnings

import numpy as np
import pandas as pd
import torch

from gru4rec import GRU4Rec, batch_eval
from gru4rec.preparation import local_connection

N = 5_000

rng = np.random.default_rng(0)
events = pd.DataFrame(
    {
        "SessionId": np.sort(rng.integers(0, 500, N)),
        "ItemId": rng.integers(0, 3000, N),
        "Time": np.arange(N),
    }
)
gru = GRU4Rec(layers=[100], batch_size=128, n_sample=512, n_epochs=1, device="cpu")
sessions = [[1, 2, 3]] * 100
table = local_connection().create_table("theirs", events)


def child() -> None:
    assert torch.get_num_threads() == 1
    say("recommend")
    gru.recommend(sessions)
    thread = threading.Thread(target=gru.recommend, args=[sessions])
    thread.start()
    thread.join()
    say("live_session")
    live = gru.live_session()
    live.add(1)
    live.recommend()
    say("batch_eval")
    batch_eval(gru, events)
    say("fit")
    gru.fit(events)
    say("query")
    connection = local_connection()
    assert connection is not table.get_backend()
    connection.create_table("ours", events).group_by("ItemId").count().to_pyarrow()
    say("end")


def say(task: str) -> None:
    print(task, flush=True)


def fork() -> int:
    pid = os.fork()
    if pid == 0:
        child()
        sys.exit()  # not os._exit: all that there is comes to its end, as in a worker of gunicorn
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def process() -> int | None:
    forked = multiprocessing.get_context("fork").Process(target=child)
    forked.start()
    forked.join()
    return forked.exitcode


if __name__ == "__main__":
    assert torch.get_num_threads() == 2
    gru.fit(events)
    gru.recommend(sessions)
    table.group_by("ItemId").count().to_pyarrow()
    warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of such forks
    sys.exit({"fork": fork, "multiprocessing": process}[sys.argv[1]]())
