"""From a new model and the one in service to the one that serves from now on."""

from gru4rec_kedro.pipelines.promotion.pipeline import create_pipeline

__all__ = ["create_pipeline"]
