"""An Optuna study that any number of processes work on, and that outlives them."""

import json
import logging
import os
import socket
import time
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from gru4rec import ConfigError, GRU4RecError, TrainingDivergedError
from gru4rec_kedro.options.search_space import SearchedOption, TuningConfig, as_option, is_integer

if TYPE_CHECKING:
    import optuna  # it is optional: the functions import what they need

logger = logging.getLogger(__name__)

# what is wrong with the options of one trial, and no reason to end the study
_FAILURES = (TrainingDivergedError, ConfigError, MemoryError, torch.OutOfMemoryError)
# how torch says that memory was not enough where it has no class for it: on a CPU, on a Mac's GPU
_NO_MEMORY = ("not enough memory", "allocate memory", "out of memory", "bad_alloc", "alloc_failed")
_WAIT_SECONDS = 1.0
_PRUNE_FROM_EPOCH = 2


class _TrialFailedError(Exception):
    """A trial failed by its options; why is in its attributes, too."""


class _OneTooManyError(Exception):
    """Processes that began at the same moment have begun more than is left."""


Measure = Callable[[dict[str, Any], Callable[[int, float], None]], float]


def open_study(storage: Any, name: str, tuning: TuningConfig) -> "optuna.Study":
    """Opens a study of an Optuna storage, or makes it."""
    import optuna  # noqa: PLC0415  (optional)

    optuna.logging.set_verbosity(optuna.logging.ERROR)  # the project logs a line a trial itself
    pruner = optuna.pruners.MedianPruner(tuning.n_startup_trials, _PRUNE_FROM_EPOCH)
    return optuna.create_study(
        storage=storage,
        study_name=name,
        direction="maximize",
        load_if_exists=True,
        pruner=pruner if tuning.prune else optuna.pruners.NopPruner(),
    )


def starting_point(values: dict[str, Any], tuning: TuningConfig) -> dict[str, Any]:
    """Returns the point of the search space that is nearest to the values of its options."""
    inside = {key: _nearest(key, tuning.search.options[key], values[key]) for key in values}
    moved = {key: as_option(key, inside[key]) for key in values}
    moved = {key: value for key, value in moved.items() if value != values[key]}
    if moved:
        logger.info("The first trial is the nearest point of the search space: %s", moved)
    return inside


def run_study(
    study: "optuna.Study",
    store: Any,
    measure: Measure,
    start: dict[str, Any],
    tuning: TuningConfig,
    seed: int,
) -> None:
    """Works on a study until it has its trials or the time is over.

    Args:
        study: The study.
        store: The storage that it is in.
        measure: Trains with options by full name, reports (epoch, value), and returns the value.
        start: Options of the first trial.
        tuning: Budget and space.
        seed: Of the proposals; with the number of a trial it fixes what is random in its proposal.
    """
    begun, at_begin = time.monotonic(), len(finished_trials(study))
    _share(
        study,
        store,
        lambda trial: _run_trial(trial, measure, start, tuning, seed),
        tuning.n_trials,
        is_over=lambda: _is_over(begun, tuning),
        tell=lambda: _tell_progress(study, tuning, begun, at_begin),
    )


def measure_once(
    store: Any, name: str, tuning: TuningConfig, measure: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Lets one of the processes that want a measurement make it, and returns what it found.

    It is the only trial of a study of its own: the others wait for it, one of them makes it where
    its process was killed, and a later run finds it made.

    Args:
        store: The storage that all of them use.
        name: Of what is measured and by what.
        tuning: As of the search.
        measure: Returns what JSON can hold.
    """
    study = open_study(store, name, tuning)

    def make(trial: Any) -> float:
        trial.set_user_attr("found", measure())
        return 0.0

    _share(study, store, make, n_trials=1)
    found: dict[str, Any] = finished_trials(study)[0].user_attrs["found"]
    return found


def _share(
    study: "optuna.Study",
    store: Any,
    run: Callable[[Any], float],
    n_trials: int,
    is_over: Callable[[], bool] = lambda: False,
    tell: Callable[[], None] = lambda: None,
) -> None:
    """Runs trials until there are `n_trials`, of this process and of others, or the time is over.

    Where others hold all that is left, it waits for them: the trials of a process that was killed
    count no longer once its sign of life is missing.
    """
    from optuna.storages import fail_stale_trials  # noqa: PLC0415

    def run_if_wanted(trial: Any) -> float:
        if _is_one_too_many(trial, n_trials):
            raise _OneTooManyError
        trial.set_user_attr("process", f"{socket.gethostname()}:{os.getpid()}")
        return run(trial)

    waited_for: set[int] = set()
    while not is_over():
        n_finished, running = _count_trials(study)
        if n_finished >= n_trials:
            break
        if n_finished + len(running) >= n_trials:
            if not waited_for:
                logger.info("Waiting for the trials of other processes")
            # once in their name: who was killed before its first sign of life has none that ages
            ids = {trial._trial_id for trial in running}  # noqa: SLF001  (a heartbeat asks for it)
            for trial_id in ids - waited_for:
                store.record_heartbeat(trial_id)
                waited_for.add(trial_id)
            time.sleep(_WAIT_SECONDS)
            _quietly(fail_stale_trials, study)
            continue
        study.optimize(run_if_wanted, n_trials=1, catch=(_TrialFailedError, _OneTooManyError))
        tell()


def _is_one_too_many(trial: Any, n_trials: int) -> bool:
    """Whether the trials before this one suffice: the store numbers them one after the other."""
    earlier = trial.study.get_trials(deepcopy=False)[: trial.number]
    return sum(not one.state.is_finished() or _counts(one) for one in earlier) >= n_trials


def finished_trials(study: "optuna.Study") -> list[Any]:
    """Returns the trials that count, by number: not those of processes that were killed."""
    return [trial for trial in study.get_trials(deepcopy=False) if _counts(trial)]


def _counts(trial: Any) -> bool:
    from optuna.trial import TrialState  # noqa: PLC0415  (optional)

    return trial.state in {TrialState.COMPLETE, TrialState.PRUNED} or "error" in trial.user_attrs


def _count_trials(study: "optuna.Study") -> tuple[int, list[Any]]:
    """Counts the finished trials, and returns those that are running at the same moment.

    One that ended between two looks would be neither, and one too many would begin.
    """
    trials = study.get_trials(deepcopy=False)
    running = [trial for trial in trials if not trial.state.is_finished()]
    return sum(trial.state.is_finished() and _counts(trial) for trial in trials), running


def decoded(trial: Any) -> dict[str, Any]:
    """Returns the options of a trial by full name."""
    return {name: as_option(name, _decode(value)) for name, value in sorted(trial.params.items())}


def _run_trial(
    trial: Any, measure: Measure, start: dict[str, Any], tuning: TuningConfig, seed: int
) -> float:
    import optuna  # noqa: PLC0415

    # by trial, not by process: processes with one seed propose different trials, and a study that
    # was interrupted goes on as it would have
    own_seed = int(np.random.SeedSequence([seed, trial.number]).generate_state(1)[0])
    sampler: Any = optuna.samplers.TPESampler(
        n_startup_trials=tuning.n_startup_trials, seed=own_seed
    )
    if _is_first(trial):
        fixed = {name: _encode(value) for name, value in start.items()}
        sampler = _quietly(optuna.samplers.PartialFixedSampler, fixed, sampler)
    trial.study.sampler = sampler

    def report(epoch: int, value: float) -> None:
        trial.report(value, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned()

    options = {
        name: as_option(name, _decode(_suggest(trial, name, searched)))
        for name, searched in tuning.search.options.items()
    }
    try:
        return measure(options, report)
    except Exception as error:
        if not _is_of_the_options(error):
            raise
        trial.set_user_attr("error", str(error) or type(error).__name__)
        raise _TrialFailedError from error


def _is_of_the_options(error: Exception) -> bool:
    """Whether other options may well do better."""
    if isinstance(error, _FAILURES):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError | GRU4RecError) and any(s in said for s in _NO_MEMORY)


def _is_first(trial: Any) -> bool:
    """Whether all trials before this one died with their process."""
    from optuna.trial import TrialState  # noqa: PLC0415

    return all(
        earlier.state == TrialState.FAIL and "error" not in earlier.user_attrs
        for earlier in trial.study.get_trials(deepcopy=False)[: trial.number]
    )


def _suggest(trial: Any, name: str, searched: SearchedOption) -> Any:
    if searched.choices is not None:
        return trial.suggest_categorical(name, [_encode(choice) for choice in searched.choices])
    low, high, step = searched.low, searched.high, searched.step
    assert low is not None and high is not None  # noqa: S101, PT018  (validated)
    if is_integer(name):
        return trial.suggest_int(name, int(low), int(high), step=int(step or 1), log=searched.log)
    return trial.suggest_float(name, low, high, step=step, log=searched.log)


def _nearest(name: str, searched: SearchedOption, value: Any) -> Any:
    """The value of the space that is next to an option's own."""
    if searched.choices is not None:
        return value if value in searched.choices else searched.choices[0]
    low, high = searched.low, searched.high
    assert low is not None and high is not None  # noqa: S101, PT018  (validated)
    if isinstance(value, list):
        value = value[0]
    if not isinstance(value, int | float):
        value = low
    step = searched.step or (1.0 if is_integer(name) else None)
    value = min(max(value, low), high)
    if step is not None:
        value = round(low + round((value - low) / step) * step, 10)
    return int(value) if is_integer(name) else float(value)


def _encode(value: Any) -> Any:
    """Lists are no choices for Optuna, but their text is."""
    return json.dumps(value) if isinstance(value, list) else value


def _decode(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) and value.startswith("[") else value


def _is_over(begun: float, tuning: TuningConfig) -> bool:
    minutes = (time.monotonic() - begun) / 60
    return tuning.timeout_minutes is not None and minutes >= tuning.timeout_minutes


def _quietly(function: Callable[..., Any], *arguments: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Optuna calls it experimental
        return function(*arguments)


def _tell_progress(
    study: "optuna.Study", tuning: TuningConfig, begun: float, at_begin: int
) -> None:
    trials = finished_trials(study)
    if len(trials) == at_begin:
        return
    values = [trial.value for trial in trials if trial.state.name == "COMPLETE"]
    seconds = (time.monotonic() - begun) / (len(trials) - at_begin)
    logger.info(
        "%d of %d trials (%d pruned, %d failed), best %s %s, about %.0f s left",
        len(trials),
        tuning.n_trials,
        sum(trial.state.name == "PRUNED" for trial in trials),
        sum("error" in trial.user_attrs for trial in trials),
        tuning.metric,
        f"{max(values):.4f}" if values else "unknown",
        seconds * max(tuning.n_trials - len(trials), 0),
    )
