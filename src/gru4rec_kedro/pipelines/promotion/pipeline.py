"""The wiring of promotion: compare, promote, report."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.promotion import nodes, report


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.compare_with_service,
                inputs=[
                    "model",
                    "model_in_service",
                    "test",
                    "params:evaluation",
                    "params:promotion",
                    "params:loading",
                ],
                outputs=["promotion_table", "promotion_verdict"],
                name="compare_with_service",
                tags="evaluation",
            ),
            Node(
                nodes.promote_model,
                # the place of the model in service: what a node reads it cannot have as output
                inputs=["model", "model_in_service", "promotion_verdict"],
                outputs=None,
                name="promote_model",
                tags="promotion",
            ),
            Node(
                report.write_promotion_report,
                inputs=["promotion_table", "promotion_verdict"],
                outputs="promotion_report",
                name="write_promotion_report",
                namespace="reporting",
                tags="reporting",
            ),
        ]
    )
