"""Items and sessions as vectors, for a store of vectors."""

from gru4rec_kedro.pipelines.vectors.pipeline import create_pipeline

__all__ = ["create_pipeline"]
