"""From sessions to recommendations, by the model of the catalog."""

from gru4rec_kedro.pipelines.recommendation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
