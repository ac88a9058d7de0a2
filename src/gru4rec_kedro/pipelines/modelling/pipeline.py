"""The wiring of modelling: train, evaluate, report."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.modelling import nodes, report


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.train_model,
                inputs=[
                    "train",
                    "valid",
                    "train_full",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:experiment",
                ],
                outputs=["model", "training_history"],
                name="train_model",
                tags="training",
            ),
            Node(
                nodes.evaluate_model,
                inputs=["model", "valid", "test", "params:evaluation", "params:experiment"],
                outputs=["metrics", "ranked_events"],
                name="evaluate_model",
                tags="evaluation",
            ),
            Node(
                report.plot_training,
                inputs="training_history",
                outputs="training_figure",
                name="plot_training",
                tags="reporting",
            ),
            Node(
                report.plot_metrics,
                inputs="metrics",
                outputs="metrics_figure",
                name="plot_metrics",
                tags="reporting",
            ),
            Node(
                report.write_report,
                inputs=[
                    "metrics",
                    "split_statistics",
                    "filter_report",
                    "training_figure",
                    "metrics_figure",
                    "session_length_figure",
                    "item_popularity_figure",
                    "parameters",
                ],
                outputs="report",
                name="write_report",
                tags="reporting",
            ),
        ]
    )
