"""The wiring of recommendation: sessions, model and candidates in, recommendations out."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.recommendation import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.recommend_items,
                inputs=[
                    "sessions",
                    "model",
                    "candidates",
                    "params:data",
                    "params:loading",
                    "params:recommendation",
                    "items",
                ],
                outputs="recommendations",
                name="recommend_items",
                tags="recommendation",
            )
        ]
    )
