"""From parts that somebody else prepared, in place of data engineering."""

from gru4rec_kedro.pipelines.prepared.pipeline import create_pipeline

__all__ = ["create_pipeline"]
