"""From training and validation parts to better options."""

from gru4rec_kedro.pipelines.tuning.pipeline import create_pipeline

__all__ = ["create_pipeline"]
