"""The recommender."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from gru4rec.baselines.base import Baseline, Floats, Ints
from gru4rec.baselines.sasrec.options import BlockName, LossName, SASRecConfig
from gru4rec.baselines.sasrec.training import Training
from gru4rec.config import resolve_device
from gru4rec.data.sessions import Sessions


class SASRec(Baseline):
    """Self-attentive sequential recommendation (Kang & McAuley, ICDM 2018), as it is strongest.

    The score of item i after a session is ⟨x, E_i⟩, with x the last state of a `Transformer` that
    reads the E of the session's last `max_length` items. Adam trains it to tell each next item
    from the batch's others and from `n_sample` further items that all rows share, as GRU4Rec is
    trained; a step costs the same however many items there are.

    Args:
        units: Width d of embeddings and states.
        n_blocks: Blocks in sequence.
        n_heads: Of the attention; divides `units`.
        max_length: Items that are read; a longer training session is cut into several.
        block: `ligr` (eSASRec, RecSys 2025) or `sasrec` (ICDM 2018); see `transformer.Block`.
        dropout: Drop probability on the input and in each block.
        loss: `softmax` or `gbce` (gSASRec, RecSys 2023); see `sasrec.losses`.
        logq: Strength of the log-Q correction of `softmax`; 0: none.
        calibration: t of `gbce`.
        n_sample: Further negatives of a step; `gbce` has no others.
        sample_alpha: They are drawn with P(item) ∝ count^sample_alpha; `gbce` is made for 0.
        batch_size: Targets of a step, at most.
        learning_rate: Of Adam.
        learning_rate_decay: What it is multiplied by after each epoch.
        n_epochs: Epochs.
        device: As of GRU4Rec.
        seed: Fixes initial weights, the order of batches, negatives and dropout.

    Raises:
        ConfigError: An option is impossible, or the device is not there; all mistakes at once.
    """

    def __init__(
        self,
        units: int = 64,
        n_blocks: int = 2,
        n_heads: int = 2,
        max_length: int = 50,
        block: BlockName = "ligr",
        dropout: float = 0.2,
        loss: LossName = "softmax",
        logq: float = 1.0,
        calibration: float = 0.75,
        n_sample: int = 2048,
        sample_alpha: float = 0.5,
        batch_size: int = 256,
        learning_rate: float = 0.002,
        learning_rate_decay: float = 1.0,
        n_epochs: int = 10,
        device: str = "auto",
        seed: int = 42,
    ) -> None:
        options = {name: value for name, value in locals().items() if name != "self"}
        self.config = SASRecConfig.parse(options, origin="SASRec")
        self.device = resolve_device(self.config.device)

    def _options(self) -> Mapping[str, Any]:
        return self.config

    def _learn(self, items: Ints, sessions: Sessions, n_items: int) -> None:
        for _ in self.train(items, sessions.offsets, n_items):
            pass

    def train(self, items: Ints, offsets: Ints, n_items: int) -> Iterator[float]:
        """Trains from the beginning; a caller may measure in between, or stop.

        Args:
            items: Item index of each event, shape (n_events,).
            offsets: Session s owns items[offsets[s]:offsets[s + 1]], shape (n_sessions + 1,).
            n_items: Different items.

        Yields:
            The mean loss of each epoch.

        Raises:
            TrainingDivergedError: It is not finite.
        """
        training = Training(self.config, items, offsets, n_items, self.device)
        self._network, self._table = training.network, training.table
        for _ in range(self.config.n_epochs):
            yield training.run_epoch()

    def score_next(self, items: Ints, offsets: Ints) -> Floats:
        """Scores all items as the next one; see `evaluation.NextItemModel`."""
        lengths = np.minimum(np.diff(offsets), self.config.max_length)
        states = torch.empty(len(lengths), self.config.units, device=self.device)
        with torch.inference_mode():
            for length in np.unique(lengths):
                rows = np.flatnonzero(lengths == length)
                places = offsets[rows + 1, None] - length + np.arange(length)
                embedded = self._table[torch.from_numpy(items[places]).to(self.device)]
                states[torch.from_numpy(rows)] = self._network(embedded, lambda x: x)[:, -1]
            scores: Floats = (states @ self._table.T).cpu().numpy()
        return scores
