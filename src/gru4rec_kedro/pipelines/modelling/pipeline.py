"""The wiring of modelling: train, evaluate, report."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.modelling import beside, breakdowns, examples, figures, nodes, report
from gru4rec_kedro.reporting import origins

_REPORTED = (
    "metrics",
    "metrics_history",
    "breakdowns",
    "baseline_comparison",
    "split_statistics",
    "data_quality",
    "example_sessions",
    "origins",
    "data_origin",
    "items",
    "parameters",
    "metrics_figure",
    "by_position_figure",
    "by_session_length_figure",
    "by_popularity_figure",
    "recommended_figure",
    "baseline_figure",
    "training_figure",
    "session_length_figure",
    "item_popularity_figure",
)


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.train_model,
                inputs=[
                    "train",
                    "valid",
                    "test",
                    "train_full",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:experiment",
                    "checkpoint",
                    "data_origin",
                ],
                outputs=["model", "training_history"],
                name="train_model",
                tags="training",
            ),
            Node(
                nodes.evaluate_model,
                inputs=[
                    "model",
                    "valid",
                    "test",
                    "params:evaluation",
                    "params:experiment",
                    "data_origin",
                ],
                outputs=["metrics", "ranked_events", "item_statistics"],
                name="evaluate_model",
                tags="evaluation",
            ),
            Node(
                examples.choose_examples,
                inputs=[
                    "model",
                    "valid",
                    "test",
                    "ranked_events",
                    "params:evaluation",
                    "params:experiment",
                ],
                outputs="example_sessions",
                name="choose_examples",
                tags="evaluation",
            ),
            Node(
                breakdowns.break_down,
                inputs=["ranked_events", "item_statistics", "params:evaluation"],
                outputs="breakdowns",
                name="break_down",
                namespace="reporting",
                tags="evaluation",
            ),
            Node(
                figures.plot_training,
                inputs="metrics",
                outputs="training_figure",
                name="plot_training",
                namespace="reporting",
                tags="reporting",
            ),
            Node(
                figures.plot_metrics,
                inputs=["metrics", "params:published"],
                outputs="metrics_figure",
                name="plot_metrics",
                namespace="reporting",
                tags="reporting",
            ),
            Node(
                figures.plot_breakdowns,
                inputs=["breakdowns", "item_statistics"],
                outputs=[
                    "by_position_figure",
                    "by_session_length_figure",
                    "by_popularity_figure",
                    "recommended_figure",
                ],
                name="plot_breakdowns",
                namespace="reporting",
                tags="reporting",
            ),
            Node(
                beside.compare_with_baselines,
                inputs=[
                    "metrics",
                    "ranked_events",
                    "baseline_metrics",
                    "baseline_ranks",
                    "params:evaluation",
                ],
                outputs=["baseline_comparison", "baseline_figure"],
                name="compare_with_baselines",
                namespace="reporting",
                tags="evaluation",
            ),
            Node(
                origins.check_origins,
                inputs=[
                    "train",
                    "valid",
                    "test",
                    "train_full",
                    "data_origin",
                    "metrics",
                    "ranked_events",
                    "example_sessions",
                    "baseline_metrics",
                    "data_quality",
                    "parameters",
                ],
                outputs="origins",
                name="check_origins",
                namespace="reporting",
                tags="reporting",
            ),
            Node(
                report.write_report,
                inputs={name: name for name in _REPORTED},
                outputs="report",
                name="write_report",
                namespace="reporting",
                tags="reporting",
            ),
        ]
    )
