"""The wiring of backtests: the log in, what was measured in each window out."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.backtest import figures, nodes, report

_FIGURES = ("backtest_figure", "backtest_age_figure")


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.run_backtest,
                inputs=[
                    "backtest_store",
                    "filtered_events",
                    "params:model",
                    "params:training",
                    "params:evaluation",
                    "params:baselines",
                    "params:backtest",
                    "params:loading",
                ],
                outputs="backtest_metrics",
                name="run_backtest",
                tags="evaluation",
            ),
            Node(
                figures.plot_backtest,
                inputs=["backtest_metrics", "params:backtest"],
                outputs=list(_FIGURES),
                name="plot_backtest",
                namespace="reporting",
                tags="reporting",
            ),
            Node(
                report.write_backtest_report,
                inputs={
                    "backtest_metrics": "backtest_metrics",
                    "backtest": "params:backtest",
                    "model": "params:model",
                    **{name: name for name in _FIGURES},
                },
                outputs="backtest_report",
                name="write_backtest_report",
                namespace="reporting",
                tags="reporting",
            ),
        ]
    )
