"""The recommender: fit, recommend, save, load."""

import contextlib
import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from gru4rec import columns
from gru4rec.addresses import Location
from gru4rec.cards import Card, Shown, call, counted
from gru4rec.compute import Best
from gru4rec.config import (
    Config,
    EvaluationConfig,
    ModelConfig,
    TrainingConfig,
    as_config,
    resolve_device,
)
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import (
    DataError,
    NotFittedError,
    OutOfMemoryError,
    TrainingDivergedError,
)
from gru4rec.evaluation import (
    DEFAULT,
    by_network,
    mean_metrics,
    rank_prepared,
)
from gru4rec.evaluation.ranking import join
from gru4rec.fitting import Learnt, Plan, make_plan, start
from gru4rec.learning.retiring import without_items
from gru4rec.learning.trainer import Progress, TrainingState
from gru4rec.model.losses import find_loss
from gru4rec.model.memory import (
    describe_needs,
    why_out_of_memory,
)
from gru4rec.model.negatives import NegativeSampler
from gru4rec.model.network import Network
from gru4rec.serving.live import LiveSession
from gru4rec.serving.recommendations import (
    as_column,
    best_items,
    check_k,
    encode_sessions,
    final_states,
    read_sessions,
    reading,
    recommendations,
)
from gru4rec.serving.shortlist import Shortlist, as_shortlist
from gru4rec.serving.similar import similar_items
from gru4rec.serving.state import SessionState, digest_of
from gru4rec.serving.vectors import find_items, item_vectors, session_vectors
from gru4rec.storage.archive import Place, name_of
from gru4rec.storage.model_file import Checkpoint, Note, load_checkpoint, save_checkpoint
from gru4rec.storage.onnx_export import export_onnx
from gru4rec.storage.resuming import keep_best

logger = logging.getLogger(__name__)

_SESSIONS_AT_A_TIME = 4096


class _Attempt:
    """A training that may fail.

    Args:
        before: What the model has learnt before.
        on_change: Is called each time that weights are about to change.

    Attributes:
        before: None when its weights have changed.
        needs: What memory the training takes.
    """

    def __init__(self, before: Learnt, on_change: Callable[[], None]) -> None:
        self.before: Learnt | None = before
        self._on_change = on_change
        self.needs: dict[str, int] = {}

    def begin(self) -> None:
        """Gives up what was before: it would take memory, and cannot be put back from now on."""
        self.before = None
        self._on_change()


class GRU4Rec(Shown):
    """Session-based recommendations with a recurrent network (ICLR 2016, CIKM 2018).

    Args:
        layers: Units of each GRU layer.
        loss: `cross-entropy` or `bpr-max`.
        batch_size: Sessions processed in parallel.
        dropout_p_embed: Drop probability on the item embedding.
        dropout_p_hidden: Drop probability on hidden states.
        learning_rate: Step size of Adagrad.
        momentum: Momentum coefficient.
        sample_alpha: Negatives are drawn with P(item) ∝ count^sample_alpha.
        n_sample: Extra negatives of a step; 0 uses the other targets of the batch only.
        embedding: Width of a separate input embedding; 0: none; "layersize": the first layer's.
        constrained_embedding: Use the output embedding as input embedding too.
        n_epochs: Epochs of one `fit`.
        bpreg: Score regularisation of bpr-max.
        elu_param: α of bpr-max's ELU; 0: linear scores.
        logq: Strength of the log-Q correction of cross-entropy; 0: none.
        device: `auto` (CUDA, then MPS, then CPU), `cpu`, `mps`, `cuda` or `cuda:N`, or a
            `torch.device`.
        seed: Fixes initial weights (outside compatibility mode), negatives and dropout.
        precision: Of the matrix products of training on an NVIDIA GPU: `float32`, exact; `tf32`,
            factors are rounded to 10 bits after the point; `bf16`, those of embeddings of items to
            7.

    Attributes:
        config: These options.
        device: Where the model is.
        notes: Yours, and empty at first: text and numbers by name that are saved with the model,
            such as what it was trained on.

    Raises:
        ConfigError: An option is impossible, or the device is not there; all mistakes at once.

    Example:
        >>> clicks = {"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 7, 8], "Time": [1, 2, 3, 4]}
        >>> gru = GRU4Rec(layers=[8], n_sample=4, device="cpu").fit(pd.DataFrame(clicks))
        >>> gru.recommend({"anna": [7]}, k=1, exclude_seen=True)[["session", "rank", "item"]]
          session  rank  item
        0    anna     1     8
    """

    def __init__(
        self,
        layers: Sequence[int] = (100,),
        loss: str = "cross-entropy",
        batch_size: int = 64,
        dropout_p_embed: float = 0.0,
        dropout_p_hidden: float = 0.0,
        learning_rate: float = 0.05,
        momentum: float = 0.0,
        sample_alpha: float = 0.5,
        n_sample: int = 2048,
        embedding: int | Literal["layersize"] = 0,
        constrained_embedding: bool = True,
        n_epochs: int = 10,
        bpreg: float = 1.0,
        elu_param: float = 0.5,
        logq: float = 0.0,
        device: str | torch.device = "auto",
        seed: int = 42,
        precision: str = "float32",
    ) -> None:
        options = {name: value for name, value in locals().items() if name != "self"}
        if isinstance(layers, Iterable) and not isinstance(layers, str):
            options["layers"] = list(layers)
        self.config = ModelConfig.parse(options, origin="GRU4Rec")
        find_loss(self.config.loss)  # told now, not by the training
        self.device = resolve_device(self.config.device)
        self._vocabulary: Vocabulary | None = None
        self._state: TrainingState | None = None
        self._history: list[dict[str, float]] = []
        self._digest: str | None = None  # of the weights as they are, once it was asked for
        self.notes: dict[str, Note] = {}

    def _card(self) -> Card:
        facts = ["not fitted"]
        if self._state is not None:
            facts = [counted(len(self.vocabulary), "item"), counted(self._state.epochs, "epoch")]
            best = [record for record in self._history if record["epoch"] == self.best_epoch]
            told = {n: v for record in best for n, v in record.items() if n == "loss" or "@" in n}
            facts += [f"{name} {value:.4f}" for name, value in told.items()]
        history = self.history if self._history else None
        return Card(call(GRU4Rec, self.config), facts, history, self.config)

    @property
    def network(self) -> Network:
        """The weights."""
        return self._fitted().network

    @property
    def vocabulary(self) -> Vocabulary:
        """The items that the model knows, in index order."""
        self._fitted()
        assert self._vocabulary is not None  # noqa: S101  (comes and goes with the state)
        return self._vocabulary

    @property
    def history(self) -> pd.DataFrame:
        """One row an epoch: epoch, loss, events, seconds, events_per_second, validation metrics.

        After a training with `patience` also `kept`, which is 1 for the epoch whose weights it has.
        """
        return pd.DataFrame(self._history)

    @property
    def best_epoch(self) -> int:
        """The epoch whose weights the model has: the last one, or the best with `patience`."""
        self._fitted()
        kept = [record["epoch"] for record in self._history[::-1] if record.get("kept")]
        is_last = not self._history or "kept" not in self._history[-1]
        return self._fitted().epochs if is_last or not kept else int(kept[0])

    @property
    def item_counts(self) -> npt.NDArray[np.int64]:
        """Training events of each item, in the order of the vocabulary, shape (n_items,)."""
        counts: npt.NDArray[np.int64] = self._fitted().counts.numpy().copy()
        return counts

    @property
    def digest(self) -> str:
        """What the weights and items sum up to, 32 hexadecimal digits; another after training."""
        if self._digest is None:
            self._digest = digest_of(self.network, self.vocabulary)
        return self._digest

    def _fitted(self) -> TrainingState:
        if self._state is None:
            raise NotFittedError("the model has no weights yet; call fit() or GRU4Rec.load() first")
        return self._state

    def fit(
        self,
        data: pd.DataFrame,
        sample_cache_max_size: int = 10_000_000,
        compatibility_mode: bool = True,
        item_key: str = columns.ITEM,
        session_key: str = columns.SESSION,
        time_key: str = columns.TIME,
        valid: pd.DataFrame | None = None,
        valid_cutoff: Sequence[int] | int = (20,),
        sampler: NegativeSampler | None = None,
        on_epoch: Callable[[dict[str, float]], None] = lambda _: None,
        checkpoint: str | Location | None = None,
        checkpoint_minutes: float | None = 10.0,
        checkpoint_epochs: int | None = None,
        resume: bool = False,
        patience: int | None = None,
        metric: str = "mrr@20",
        min_delta: float = 0.0,
        valid_metrics: Sequence[str] = DEFAULT,
        retire_after_days: int | None = None,
        learning_rate_decay: float = 1.0,
    ) -> Self:
        """Trains for `n_epochs` epochs; a model that has weights already is trained further.

        Training further keeps the rows of known items, appends new items with fresh rows and adds
        the new events to the popularity counts. Known items go only with `retire_after_days`.

        A training with a `checkpoint` may end at any moment, and goes on where the last one was
        written when it is repeated with `resume`: on a CPU with as many threads, to the very same
        weights. The last checkpoint is that of the end, so a complete training is not repeated,
        and goes on only where `n_epochs` has grown. A checkpoint is a model file; `load` reads
        it, and takes the best epoch so far where `patience` keeps one.

        Args:
            data: One row an event, in any order.
            sample_cache_max_size: Most negative draws kept in memory.
            compatibility_mode: Fresh weights equal those of the reference implementation.
            item_key: Column of items (integers or text).
            session_key: Column of sessions (integers or text).
            time_key: Column of times (numbers or timestamps).
            valid: Events to measure metrics on after each epoch.
            valid_cutoff: The k's of these.
            sampler: Source of extra negatives instead of the model's own; not with `checkpoint`.
            on_epoch: Is told the new row of `history` after each epoch. What it raises stops the
                training there and comes out of `fit`; the model is as after that epoch.
            checkpoint: File of checkpoints, written whole or not at all: when they are due, at the
                end, and when Ctrl-C, SIGTERM or SIGHUP ends it. None writes none.
            checkpoint_minutes: One is due so many minutes after the last; None: never.
            checkpoint_epochs: One is due after every so many epochs; None: never.
            resume: Go on from the checkpoint; where there is none, start from the beginning. Data
                and options, but for `n_epochs`, must be the same.
            patience: Stop after so many epochs without gain on `valid`; the weights are then those
                of the best epoch. None trains for all epochs, and keeps the last one's.
            metric: What is to gain there: a metric with a cutoff, such as ndcg@20.
            min_delta: A gain is more than this.
            valid_metrics: What is measured on `valid`: names in `gru4rec.evaluation.METRICS`.
            retire_after_days: Where the model is trained further, it loses first the items that the
                data lacks and that had no event in so many days before its newest; times that are
                numbers are seconds then. None keeps all. See `retire_items`.
            learning_rate_decay: What the learning rate is multiplied by after each epoch; a
                further training begins with `learning_rate` again.

        Returns:
            The model itself.

        Raises:
            ConfigError: An option is impossible, or the checkpoint was made with others.
            DataError: The data cannot be used, or the checkpoint is of other data; the model is as
                it was.
            IndexError: `sampler` gives items or numbers of items that the model does not expect.
            KeyboardInterrupt: Ctrl-C was pressed; the message names the last checkpoint.
            SystemExit: SIGTERM or SIGHUP came to a training with a checkpoint; a log line names it.
            ModelFileError: The checkpoint cannot be written, or is damaged.
            OutOfMemoryError: Memory does not suffice for the options; the model is as it was, or
                has no weights if they had begun to change.
            TrainingDivergedError: The loss or a weight is not finite; the model has no weights
                then, but still the history up to there. The message names the last checkpoint.

        Whatever else ends a training before the first step leaves the model as it was, and what
        ends one later leaves it as after the last step; but an error in the first epoch of a new
        model, other than Ctrl-C, leaves it without weights.
        """
        options = TrainingConfig.parse(
            {
                "sample_cache_max_size": sample_cache_max_size,
                "compatibility_mode": compatibility_mode,
                "checkpoint_minutes": checkpoint_minutes,
                "checkpoint_epochs": checkpoint_epochs,
                "resume": resume,
                "patience": patience,
                "metric": metric,
                "min_delta": min_delta,
                "retire_after_days": retire_after_days,
                "learning_rate_decay": learning_rate_decay,
            },
            origin="fit",
        )
        keys = (item_key, session_key, time_key)
        with self._attempting() as attempt:
            plan = make_plan(
                self.config,
                options,
                self.device,
                self._learnt(),
                data,
                keys,
                valid,
                valid_cutoff,
                valid_metrics,
                sampler,
                checkpoint,
            )
            attempt.needs = plan.needs
            training = start(plan, self._learnt(), self.notes, attempt.begin)
            self._know(training.learnt)

            def record(done: Progress) -> dict[str, float]:
                self._forget_copies()
                self._record(done, plan)
                on_epoch(dict(self._history[-1]))
                return self._history[-1]

            training.run(record)
        return self

    def _learnt(self) -> Learnt:
        return Learnt(self._vocabulary, self._state, self._history)

    def _know(self, learnt: Learnt) -> None:
        self._vocabulary, self._state = learnt.vocabulary, learnt.state
        self._history = learnt.history

    @contextlib.contextmanager
    def _attempting(self) -> Iterator["_Attempt"]:
        """Leaves the model as it was, or without weights, when training fails in the block."""
        attempt = _Attempt(self._learnt(), self._forget_copies)
        is_new = self._state is None
        draws = self._state.generator.get_state() if self._state else None
        try:
            yield attempt
        except BaseException as error:
            lacking = why_out_of_memory(error)
            if attempt.before:
                self._know(attempt.before)
                if self._state and draws is not None:
                    self._state.generator.set_state(draws)
            elif (
                lacking
                or isinstance(error, TrainingDivergedError)
                or (is_new and isinstance(error, Exception) and not self._fitted().epochs)
            ):
                self._state = self._vocabulary = None
            if not lacking:
                raise
            now = "has no weights" if self._state is None else "is as it was before"
            raise OutOfMemoryError(
                f"{lacking}; {describe_needs(attempt.needs)}; the model {now}"
            ) from None
        finally:
            if attempt.before is None:
                self._forget_copies()

    def _forget_copies(self) -> None:
        """Forgets what was made of the weights: they change."""
        self._digest = None
        if self._state is not None:
            self._state.network.compact = None

    def _record(self, done: Progress, plan: Plan) -> None:
        record: dict[str, float] = {
            "epoch": done.epoch,
            "loss": done.loss,
            "events": done.events,
            "seconds": done.seconds,
            "events_per_second": done.events_per_second,
        }
        if plan.valid is not None:
            defaults = EvaluationConfig()
            ranked = rank_prepared(self, plan.valid, defaults.batch_size, defaults.mode)
            measured = mean_metrics(ranked.ranks, plan.valid_cutoffs, plan.valid_metrics)
            for name, by_cutoff in measured.items():
                record |= {f"{name}@{k}": value for k, value in by_cutoff.items()}
        self._history.append(record)
        told = "".join(f", {n} {v:.4f}" for n, v in record.items() if "@" in n)
        logger.info(
            "Epoch %d: loss %.4f, %.0f events/s, %.1f s%s",
            done.epoch,
            done.loss,
            done.events_per_second,
            done.seconds,
            told,
        )

    def recommend(
        self,
        sessions: Mapping[Any, Sequence[Any]] | Sequence[Sequence[Any]],
        k: int = 20,
        exclude_seen: bool = False,
        candidates: Iterable[Any] | Shortlist | None = None,
    ) -> pd.DataFrame:
        """Recommends next items for many sessions at once.

        Unknown items are skipped, and reported in a log line. A session without a known item is
        answered from the state in which every session begins: there the scores are the items'
        biases, which grow with popularity.

        Args:
            sessions: The items of each session so far, oldest first; the whole list is used. A
                mapping or Series by session id, or a sequence, whose sessions are numbered from 0.
            k: Items for each session; fewer where the model knows fewer.
            exclude_seen: Leave out the items of the session itself.
            candidates: The only items to recommend, as ids or as a `shortlist`; unknown ones are
                left out, and reported in a log line. None allows the whole catalogue.

        Returns:
            Columns session, rank (from 1), item, score; sessions in the order given.

        Raises:
            DataError: A session is not a list of items, items are of another kind than the
                model's, or it knows no candidate.
        """
        check_k(k)
        keyed = read_sessions(sessions)
        shortlist = as_shortlist(candidates, self.vocabulary)
        known, offsets = encode_sessions(keyed, self.vocabulary)
        best: list[Best] = []
        with reading():
            for first in range(0, len(keyed), _SESSIONS_AT_A_TIME):
                some = offsets[first : first + _SESSIONS_AT_A_TIME + 1]
                states = final_states(self.network, known, some)
                seen = None
                if exclude_seen:
                    seen = [known[a:b].tolist() for a, b in itertools.pairwise(some)]
                best.append(best_items(self.network, states, k, seen, shortlist))
        return recommendations(self.vocabulary, as_column(list(keyed)), join(best))

    @by_network
    def score_next(
        self, items: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float32]:
        """Scores every item as the next one of sessions so far; see `evaluation.NextItemModel`."""
        with reading():
            states = final_states(self.network, items, offsets)
            scores: npt.NDArray[np.float32] = self.network.scores(states).cpu().numpy()
        return scores

    def live_session(self, session: Any = 0, state: SessionState | None = None) -> LiveSession:
        """Starts a session that takes one item at a time, or goes on with one.

        Args:
            session: Its id in results.
            state: What `LiveSession.state` returned, in whichever process. That of another model
                is made anew from its items. None: a session that has just begun.

        Raises:
            DataError: `state` is no such state, or of a model with ids of another kind.
        """
        vocabulary = self.vocabulary

        def digest() -> str:
            # a session goes on with the items that it began with: its state is of no model then
            return self.digest if self._vocabulary is vocabulary else ""

        live = LiveSession(self.network, vocabulary, digest, session)
        if state is not None:
            live.restore(state)
        return live

    def add_compact_copy(self) -> Self:
        """Makes live sessions of a large catalogue faster, for a quarter more memory.

        To score a session is to read the output embeddings. With a copy of them in a quarter of
        their memory, `LiveSession.recommend`, and `recommend` for a single session, read the copy,
        and score the few items that may be among the best again, by the embeddings themselves: what
        they return is the same to the last bit. It pays from some 100,000 items on. Training and
        `retire_items` drop the copy. Elsewhere than on a CPU with compiled loops nothing is gained:
        none is made, and a log line says so.

        Returns:
            The model itself.

        Raises:
            NotFittedError: There is nothing to copy.
        """
        if not self.network.add_compact_copy():
            logger.warning("A compact copy gains nothing on %s: none was made", self.device)
        return self

    def shortlist(self, candidates: Iterable[Any]) -> Shortlist:
        """Checks candidates once, for many calls of `recommend`.

        Args:
            candidates: Ids of the only items to recommend; unknown ones are left out, and reported
                in a log line.

        Raises:
            DataError: The model knows none of them, or they are of another kind than its items.
        """
        return Shortlist(candidates, self.vocabulary)

    def similar_items(
        self,
        items: Any,
        k: int = 20,
        candidates: Iterable[Any] | Shortlist | None = None,
        popularity_corrected: bool = False,
    ) -> pd.DataFrame:
        """Finds items that follow on the same sessions: the highest cosine of output embeddings.

        All items are compared, exactly.

        Args:
            items: Id of one that the model knows, or a collection of ids.
            k: How many for each; fewer where there are fewer others.
            candidates: The only items to find, as ids or as a `shortlist`. None: all.
            popularity_corrected: Take out what of the cosine grows with popularity: the slope of
                the line that fits the cosines of all items over the logarithm of their number of
                events. The score is the cosine that an item of mean popularity would have.

        Returns:
            Columns rank (from 1), item, score (the cosine); of a collection, before them,
            similar_to: the item asked for, in the order given. Equal ones are in the model's order.

        Raises:
            DataError: The model does not know an item, or no candidate.
        """
        shortlist = as_shortlist(candidates, self.vocabulary)
        is_one = isinstance(items, str) or not isinstance(items, Iterable)
        counts = self._fitted().counts if popularity_corrected else None
        wanted = [items] if is_one else items
        found = similar_items(self.network, self.vocabulary, wanted, k, shortlist, counts)
        return found.drop(columns="similar_to") if is_one else found

    def item_vectors(self, items: Iterable[Any] | None = None) -> pd.DataFrame:
        """Returns items as vectors, for a store of vectors.

        The inner product of an item's and a session's vector (`session_vectors`) is the score that
        `recommend` gives, but for the rounding of 32-bit floats: a vector is the item's output
        embedding, and its bias as last coordinate.

        Args:
            items: Ids of known ones, in the order wanted. None: all, in the model's order.

        Returns:
            Columns item, vector: a float32 array of shape (units of the last layer + 1,).

        Raises:
            DataError: The model does not know some of the items.
        """
        return item_vectors(self.network, self.vocabulary, items)

    def session_vectors(
        self, sessions: Mapping[Any, Sequence[Any]] | Sequence[Sequence[Any]]
    ) -> pd.DataFrame:
        """Returns sessions as vectors, to ask a store of `item_vectors` for the next items.

        A vector is the last layer's state after the session, and 1 as last coordinate, which the
        item's bias is multiplied by.

        Args:
            sessions: See `recommend`, also for unknown items and sessions without a known one.

        Returns:
            Columns session, vector: a float32 array of shape (units of the last layer + 1,);
            sessions in the order given.

        Raises:
            DataError: A session is not a list of items, or items are of another kind than the
                model's.
        """
        keyed = read_sessions(sessions)
        known, offsets = encode_sessions(keyed, self.vocabulary)
        ids = as_column(list(keyed))
        return session_vectors(self.network, ids, known, offsets, _SESSIONS_AT_A_TIME)

    def retire_items(self, items: Iterable[Any]) -> Self:
        """Removes items: their rows, optimiser state, counts and ids.

        The others keep their weights, to the last bit, and their order. Where no retired item is
        in a session, their scores stay: of a live session, and of a single one in `recommend`, to
        the last bit (on a CPU with compiled loops, k up to 1,024), of several at once but for
        rounding, as a product of matrices may round by their shape. In other sessions a retired
        item is unknown from now on, and skipped. What the GRU layers have learnt from its events
        stays.

        The digest is another; a live session that has begun goes on with the items as they were,
        one that is restored from its state with those that are left. A `shortlist` is made again.

        Args:
            items: Ids of known ones; repeats count once.

        Returns:
            The model itself.

        Raises:
            DataError: The model does not know some of them, or would know none after.
        """
        gone = np.unique(find_items(items, self.vocabulary))
        if len(gone) == len(self.vocabulary):
            raise DataError(
                f"these are all {len(gone):,} items that the model knows; it needs one at least"
            )
        if len(gone):
            state, vocabulary = self._fitted(), self.vocabulary
            self._state = without_items(state, gone)
            self._vocabulary, self._digest = vocabulary.without(gone), None
            logger.info("Retired %s of %s items", f"{len(gone):,}", f"{len(vocabulary):,}")
        return self

    def save(self, path: Place, with_optimizer: bool = True) -> None:
        """Writes the model to a `.pth` file, whole or not at all.

        Args:
            path: The file, its address in a store (`s3://bucket/model.pth`, or a `UPath` with
                the store's options), or a stream of bytes that is open for writing.
            with_optimizer: Include what training further needs; without it the file is half as
                large, or a third with momentum.

        Raises:
            NotFittedError: There is nothing to save.
            DataError: `notes` holds other than plain values.
            ModelFileError: The path cannot be written.
        """
        state = self._fitted()
        content = Checkpoint(self.config, self.vocabulary, state, self._history, self.notes)
        save_checkpoint(content, path, with_optimizer)

    def export_onnx(self, path: str | Location, k: int | None = None) -> None:
        """Writes one step as an ONNX file, whole or not at all, to serve it without torch.

        Inputs are `item` (batch,), int64 indices of items, −1 for an unknown one, which leaves its
        session as it was, and `hidden0`, `hidden1`, … (batch,
        units), float32, a layer each and zeros where a session begins. Outputs are `scores`
        (batch, n_items) and `next_hidden0`, …; with `k`, `items` (batch, k), int64 indices of the
        best items, best first and equal scores by index, then `scores` (batch, k) and
        `next_hidden0`, …. An index outside the catalogue is an error when the file is run on a CPU.
        The metadata `item_ids` has the item ids in index order, as a JSON list. Needs the extra
        `onnx`.

        Args:
            path: The file.
            k: How many best items the step answers with; as many as there are if these are fewer.
                None: with the scores of all.

        Raises:
            DataError: `k` is no whole number from 1 on.
            MissingExtraError: The packages of the extra `onnx` are not installed.
            ModelFileError: The path cannot be written, or the model is too large for one file.
            NotFittedError: There is nothing to write.
        """
        if k is not None:
            check_k(k)
        export_onnx(self.network, self.vocabulary, path, k)

    @classmethod
    def load(
        cls,
        path: Place,
        device: str | torch.device = "auto",
        config: ModelConfig | None = None,
    ) -> "GRU4Rec":
        """Reads a model that `save` wrote, on whatever device it was trained. Runs no code from it.

        Args:
            path: As for `save`, open for reading. What is no file on this machine is copied to
                a temporary one.
            device: Where the model goes: `auto`, `cpu`, `cuda:0`, ..., or a `torch.device`.
            config: Options to go on with instead of the saved ones; sizes must be the saved ones.

        Raises:
            ConfigError: The device is not there, or `config` asks for other sizes.
            ModelFileError: The file is missing, damaged, of another version, or no model of ours.
        """
        loaded = load_checkpoint(path, resolve_device(device), config)
        keep_best(loaded, name_of(path))
        gru = cls(**{**loaded.config, "device": device})
        gru._vocabulary, gru._state = loaded.vocabulary, loaded.state
        gru._history, gru.notes = loaded.history, loaded.notes
        return gru


def build_model(config: Config | Mapping[str, Any]) -> GRU4Rec:
    """Makes a new model from the section `model` of a configuration."""
    return GRU4Rec(**as_config(config).model)


def save_model(gru: GRU4Rec, config: Config | Mapping[str, Any]) -> None:
    """Writes a model to `paths.model_save`."""
    gru.save(as_config(config).paths.model_save)


def load_model(config: Config | Mapping[str, Any]) -> GRU4Rec:
    """Reads the model in `paths.model_load`, to evaluate it or to train it further.

    Further training goes by the options of `config`; the sizes must be those of the file.
    """
    sections = as_config(config)
    return GRU4Rec.load(sections.paths.model_load, sections.model.device, sections.model)
