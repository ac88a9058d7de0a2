"""Trainings that memory does not suffice for; see `test_memory.py`."""

import resource
import sys
from pathlib import Path

import pandas as pd
import torch

from gru4rec import GRU4Rec, NotFittedError, OutOfMemoryError

ROOM = 300 << 20
LARGE = {"batch_size": 5_000, "n_sample": 30_000}  # 1.4 GB for scores

events = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 7, 8], "Time": [1, 2, 3, 4]})
gru = GRU4Rec(layers=[8], batch_size=2, n_sample=4, n_epochs=1, device="cpu").fit(events)
gru.save(sys.argv[1])
large = gru.config.model_copy(update=LARGE)
loaded = GRU4Rec.load(sys.argv[1], "cpu", large)
[size] = [
    line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmSize")
]
limit = int(size.split()[1]) * 1024 + ROOM
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

try:
    loaded.fit(events.assign(ItemId=events["ItemId"] + 1))
except OutOfMemoryError as error:
    print(error)
assert loaded.vocabulary.ids.tolist() == [7, 8]
for name, table in gru.network.tables.items():
    assert torch.equal(loaded.network.tables[name], table)
    assert torch.equal(
        loaded._fitted().optimizer.accumulators[name], gru._fitted().optimizer.accumulators[name]
    )
assert loaded.recommend([[7]]).equals(gru.recommend([[7]]))
assert loaded.item_counts.tolist() == gru.item_counts.tolist()

fresh = GRU4Rec(layers=[8], device="cpu", **LARGE)
try:
    fresh.fit(events)
except OutOfMemoryError as error:
    print(error)
try:
    fresh.recommend([[7]])
except NotFittedError:
    print("no weights")
