"""The wiring of prepared parts: check, describe."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.prepared import nodes
from gru4rec_kedro.reporting import origins, statistics


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.load_prepared,
                inputs=[
                    "prepared_train_tr",
                    "prepared_train_valid",
                    "prepared_test",
                    "prepared_train_full",
                ],
                outputs=["train", "valid", "test", "train_full", "data_quality"],
                name="load_prepared",
                tags="preparation",
            ),
            Node(
                origins.note_origin_of_prepared,
                inputs=["train", "valid", "test", "train_full", "log_names"],
                outputs="data_origin",
                name="note_origin_of_prepared",
                tags="preparation",
            ),
            Node(
                nodes.describe_prepared,
                inputs=["train", "valid", "test", "train_full"],
                outputs="split_statistics",
                name="describe_prepared",
                namespace="reporting",
                tags="statistics",
            ),
            *statistics.figure_nodes(),
        ]
    )
