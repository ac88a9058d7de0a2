"""The wiring of baselines: parts of the log in, their metrics and ranks out."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.baselines import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.evaluate_baselines,
                inputs=[
                    "train",
                    "valid",
                    "test",
                    "train_full",
                    "params:baselines",
                    "params:evaluation",
                    "params:experiment",
                ],
                outputs=["baseline_metrics", "baseline_ranks"],
                name="evaluate_baselines",
                tags="evaluation",
            )
        ]
    )
