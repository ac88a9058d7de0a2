"""The wiring of tuning: search, draw, repeat. The test part is no input of it."""

from kedro.pipeline import Node, Pipeline

from gru4rec_kedro.pipelines.tuning import figures, nodes

_DATA_AND_OPTIONS = ["train", "valid", "params:model", "params:training", "params:tuning"]


def create_pipeline(**_: object) -> Pipeline:
    """Returns the pipeline."""
    return Pipeline(
        [
            Node(
                nodes.search_options,
                inputs=["study_store", *_DATA_AND_OPTIONS],
                outputs=["tuning_trials", "tuning_importance", "best_parameters"],
                name="search_options",
                tags="tuning",
            ),
            Node(
                nodes.measure_gain,
                inputs=["study_store", "best_parameters", *_DATA_AND_OPTIONS],
                outputs="tuning_gain",
                name="measure_gain",
                tags="tuning",
            ),
            Node(
                figures.plot_tuning,
                inputs=["tuning_trials", "tuning_importance", "params:tuning"],
                outputs=[
                    "tuning_history_figure",
                    "tuning_importance_figure",
                    "tuning_parallel_figure",
                ],
                name="plot_tuning",
                namespace="reporting",
                tags="reporting",
            ),
        ]
    )
