"""From a raw log to training, validation and test sessions."""

from gru4rec_kedro.pipelines.data_engineering.pipeline import create_pipeline

__all__ = ["create_pipeline"]
