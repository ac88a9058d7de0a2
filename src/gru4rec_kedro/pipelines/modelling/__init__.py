"""From sessions to a trained model, its evaluation and a report."""

from gru4rec_kedro.pipelines.modelling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
