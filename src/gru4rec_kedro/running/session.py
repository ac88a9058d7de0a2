"""A run of the project: Kedro's, but a name that there is not is one message."""

import inspect
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any

from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.session.abstract_session import KedroSessionError
from kedro.pipeline import Pipeline

from gru4rec_kedro.errors import RunError

# what is named by arguments of `run`, and which names a pipeline has of it
_NAMED: dict[str, tuple[str, Callable[[Pipeline], set[str]]]] = {
    "node": ("node_names from_nodes to_nodes", lambda whole: {node.name for node in whole.nodes}),
    "dataset": (
        "from_inputs to_outputs load_versions",
        lambda whole: whole.all_inputs() | whole.all_outputs(),
    ),
    "tag": ("tags", lambda whole: set().union(*(node.tags for node in whole.nodes))),
    "namespace": ("namespaces", lambda whole: {n.namespace for n in whole.nodes if n.namespace}),
}


class Session(KedroSession):
    """Kedro's session, whose mistakes are short."""

    def run(self, *args: Any, **options: Any) -> dict[str, Any]:
        """Runs pipelines; arguments and result are those of `KedroSession.run`.

        Raises:
            RunError: There is no pipeline, node, dataset, tag or namespace of a name that is given;
                or the session has run already.
        """
        given = inspect.signature(super().run).bind(*args, **options).arguments
        wanted = given.get("pipeline_names") or [given.get("pipeline_name") or "__default__"]
        _check_pipelines(wanted)
        whole = sum((pipelines[name] for name in wanted), start=Pipeline([]))
        for kind, (arguments, names_of) in _NAMED.items():
            for argument in arguments.split():
                _check(kind, given.get(argument) or (), whole, names_of)
        try:
            result: dict[str, Any] = super().run(*args, **options)
        except KedroSessionError as error:  # in a notebook, where nothing has failed
            raise RunError(
                f"{error} In a notebook %reload_kedro begins another session, as in "
                "%reload_kedro --params=model.n_epochs=5"
            ) from None
        return result


def _check_pipelines(given: Iterable[str]) -> None:
    for name in given:
        if name not in pipelines:
            near = get_close_matches(name, pipelines, n=1)
            advice = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(pipelines)}"
            raise RunError(f"There is no pipeline {name!r}; {advice}")


def _check(
    kind: str, given: Iterable[str], whole: Pipeline, names_of: Callable[[Pipeline], set[str]]
) -> None:
    """Refuses names that the pipelines of a run have not."""
    known = sorted(names_of(whole))
    for name in given:
        if name in known:
            continue
        elsewhere = [of for of in pipelines if name in names_of(pipelines[of])]
        # of a node in a namespace the name alone is often given
        near = [full for full in known if full.rpartition(".")[2] == name]
        near = near or get_close_matches(name, known, n=1)
        if elsewhere:
            advice = f"it is in {', '.join(elsewhere)}: name that with --pipelines"
        elif near:
            advice = f"did you mean {near[0]!r}?"
        else:
            advice = f"there are {', '.join(known) or 'none'}"
        raise RunError(f"There is no {kind} {name!r} in the pipelines of this run; {advice}")
