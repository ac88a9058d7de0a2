"""The wiring of data engineering: load, filter, split, describe."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.data_engineering import nodes
from gru4rec_kedro.reporting import origins, statistics


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.load_log,
                inputs=["raw_log", "params:data", "params:loading"],
                outputs=["events", "log_counts"],
                name="load_log",
                namespace="preparation",
                tags="preparation",
            ),
            Node(
                nodes.filter_log,
                inputs=["events", "params:session_filter"],
                outputs=["filtered_events", "filter_report"],
                name="filter_log",
                namespace="preparation",
                tags="preparation",
            ),
            Node(
                nodes.split_log,
                inputs=["filtered_events", "params:data_split"],
                outputs=["train", "valid", "test", "train_full"],
                name="split_log",
                namespace="preparation",
                tags="preparation",
            ),
            Node(
                nodes.account_for_log,
                inputs=[
                    "log_counts",
                    "filter_report",
                    "filtered_events",
                    "train",
                    "valid",
                    "test",
                    "train_full",
                    "data_origin",
                    "params:data_split",
                    "params:loading",
                ],
                outputs="data_quality",
                name="account_for_log",
                namespace="preparation",
                tags="preparation",
            ),
            Node(
                origins.note_origin,
                inputs=[
                    "train",
                    "valid",
                    "test",
                    "train_full",
                    "log_names",
                    "params:data",
                    "params:loading",
                    "params:session_filter",
                    "params:data_split",
                ],
                outputs="data_origin",
                name="note_origin",
                namespace="preparation",
                tags="preparation",
            ),
            Node(
                statistics.describe_log,
                inputs=["train", "valid", "test", "train_full", "params:loading"],
                outputs="split_statistics",
                name="describe_log",
                namespace="reporting",
                tags="statistics",
            ),
            *statistics.figure_nodes(),
        ]
    )
