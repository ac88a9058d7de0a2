"""SASRec, a transformer in the place of the GRU, with the losses and blocks that made it strong."""

from gru4rec.baselines.sasrec.model import SASRec

__all__ = ["SASRec"]
