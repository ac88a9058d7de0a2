"""Trains with checkpoints all the time, until it ends or is killed; run by test_kills.py."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gru4rec import GRU4Rec

torch.set_num_threads(1)
folder = Path(sys.argv[1])
rng = np.random.default_rng(0)
log = pd.DataFrame(
    {
        "SessionId": np.sort(rng.integers(0, 1500, 6000)),
        "ItemId": rng.integers(0, 3000, 6000),
        "Time": np.arange(6000),
    }
)
gru = GRU4Rec(
    layers=[16], n_epochs=4, batch_size=16, n_sample=32, dropout_p_hidden=0.2, device="cpu"
)
print("begins", flush=True)
gru.fit(log, checkpoint=folder / "checkpoint.pth", checkpoint_minutes=1e-4, resume=True)
gru.save(folder / "model.pth")
