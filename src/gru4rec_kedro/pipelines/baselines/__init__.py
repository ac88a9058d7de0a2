"""Simple recommenders, measured as GRU4Rec is."""

from gru4rec_kedro.pipelines.baselines.pipeline import create_pipeline

__all__ = ["create_pipeline"]
