"""The wiring of vectors: the model and sessions in, both as vectors out."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.vectors import nodes


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.make_item_vectors,
                inputs=["model", "params:recommendation"],
                outputs="item_vectors",
                name="make_item_vectors",
                tags="vectors",
            ),
            Node(
                nodes.make_session_vectors,
                inputs=[
                    "sessions",
                    "model",
                    "params:data",
                    "params:loading",
                    "params:recommendation",
                ],
                outputs="session_vectors",
                name="make_session_vectors",
                tags="vectors",
            ),
        ]
    )
