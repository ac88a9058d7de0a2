"""Runs that meet: one at a time in a folder of outputs, each with a version of its own."""

import hashlib
import json
import logging
import threading
from collections.abc import Generator
from pathlib import Path
from typing import Any

from kedro.framework.context import KedroContext
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from gru4rec import ConfigError
from gru4rec.addresses import Location, brief, is_remote, locate
from gru4rec_kedro.errors import FolderInUseError, RunError, UnreachableError
from gru4rec_kedro.locking import FolderLock, notes_of
from gru4rec_kedro.options.parameters import Globals, Parameters
from gru4rec_kedro.options.search_space import comparable
from gru4rec_kedro.pipelines import backtest, tuning
from gru4rec_kedro.running.versions import make_newest

logger = logging.getLogger(__name__)

_NOTES = ".runs"


class ExclusiveHooks:
    """Locks the folder of outputs while a run writes there.

    Processes that share a study of tuning, or a backtest, share the folder, too. What only reads
    takes no lock.
    """

    def __init__(self) -> None:
        self._outputs: Location = Path()
        self._wait = False
        self._parameters = Parameters()
        # by thread: Kedro does not say when Ctrl-C has ended a run, but the thread's next one does
        self._locks: dict[int, FolderLock] = {}

    @hook_impl
    def after_context_created(self, context: KedroContext) -> None:
        """Reads where the outputs are, and what to do where another run is at work there."""
        loader = context.config_loader
        known = Globals.model_fields
        ours = {name: value for name, value in loader["globals"].items() if name in known}
        options = Globals.parse(ours, origin="globals.yml")
        self._parameters = Parameters.parse(loader["parameters"], origin="parameters")
        outputs = locate(options.outputs, ConfigError)
        self._outputs = outputs if is_remote(outputs) else context.project_path / outputs
        self._wait = (self._parameters.when_locked or options.when_locked) == "wait"

    @hook_impl(wrapper=True)
    def before_pipeline_run(
        self, pipeline: Pipeline, catalog: CatalogProtocol[Any, Any]
    ) -> Generator[None, Any, Any]:
        """Takes the lock, after the checks of `CheckingHooks`, and settles the version."""
        self._leave()
        if not pipeline.all_outputs():
            return (yield)
        if is_remote(self._outputs):
            notes = notes_of(self._outputs)
            logger.info(
                "%s has no locks: runs on this machine take turns there, but make sure that none "
                "on another machine writes there, too",
                brief(self._outputs),
            )
        else:
            notes = self._outputs / _NOTES
        lock = FolderLock(self._outputs, notes, self._group(pipeline))
        try:
            lock.acquire(self._wait)
        except FolderInUseError as error:
            raise RunError(
                f"{error}. Two runs would mix their files: wait until it has ended, or let this "
                "command wait with --params when_locked=wait, or set another folder, outputs, in "
                "globals.yml of another environment"
            ) from None
        self._locks[threading.get_ident()] = lock
        try:
            make_newest(catalog, pipeline)
            return (yield)
        except (ConfigError, UnreachableError) as error:
            self._leave()
            raise RunError(str(error)) from None
        except BaseException:
            self._leave()
            raise

    @hook_impl(wrapper=True)
    def after_pipeline_run(self) -> Generator[None, Any, Any]:
        """Gives the lock back, once all other hooks have read what they want."""
        try:
            return (yield)
        finally:
            self._leave()

    @hook_impl(wrapper=True)
    def on_pipeline_error(self) -> Generator[None, Any, Any]:
        """Gives the lock back."""
        try:
            return (yield)
        finally:
            self._leave()

    def _leave(self) -> None:
        lock = self._locks.pop(threading.get_ident(), None)
        if lock:
            lock.release()

    def _group(self, pipeline: Pipeline) -> str | None:
        """Sums up the work that a run shares: it does nothing but tune, or backtest."""
        parameters = self._parameters
        if pipeline.all_outputs() <= tuning.create_pipeline().all_outputs():
            sections = {"model": parameters.model, "training": parameters.training}
            options = parameters.tuning
            text = json.dumps([options.study, comparable(sections, options)], sort_keys=True)
        elif pipeline.all_outputs() <= backtest.create_pipeline().all_outputs():
            text = parameters.model_dump_json()
        else:
            return None
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
