"""From a log to how fast a model ages, and what training it anew or further is worth."""

from gru4rec_kedro.pipelines.backtest.pipeline import create_pipeline

__all__ = ["create_pipeline"]
