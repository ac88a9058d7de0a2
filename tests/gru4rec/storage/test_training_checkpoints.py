import errno
import itertools
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru4rec import (
    ConfigError,
    DataError,
    GRU4Rec,
    GRU4RecError,
    ModelFileError,
    TrainingDivergedError,
)
from gru4rec.learning.trainer import Trainer
from gru4rec.storage import training_checkpoints
from gru4rec.storage.model_file import load_checkpoint, save_checkpoint

# both users of the generator, momentum, and blocks of draws that end within an epoch
OPTIONS: dict[str, Any] = {
    "layers": [6, 4],
    "batch_size": 4,
    "n_sample": 5,
    "n_epochs": 3,
    "momentum": 0.3,
    "dropout_p_embed": 0.2,
    "dropout_p_hidden": 0.3,
    "device": "cpu",
}
CACHE = 35  # seven steps' draws
ATTRIBUTES = ("accumulators", "velocities")


class Killed(BaseException):
    """What ends a training in this process as a kill would: nothing is tidied up."""


def make_log(n_items: int = 30, text: bool = False, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = 260
    items = rng.integers(0, n_items, n)
    return pd.DataFrame(
        {
            "SessionId": np.sort(rng.integers(0, 60, n)),
            "ItemId": [f"item {i}" for i in items] if text else items,
            "Time": np.arange(n),
        }
    )


def fit(path: Path | None, log: pd.DataFrame | None = None, **options: Any) -> GRU4Rec:
    arguments = {
        name: options.pop(name)
        for name in (
            *("resume", "checkpoint_minutes", "checkpoint_epochs"),
            *("valid", "patience", "metric", "min_delta", "learning_rate_decay"),
        )
        if name in options
    }
    gru = GRU4Rec(**{**OPTIONS, **options})
    data = make_log() if log is None else log
    return gru.fit(data, sample_cache_max_size=CACHE, checkpoint=path, **arguments)


def assert_same(one: GRU4Rec, other: GRU4Rec) -> None:
    """Everything that training changes is equal to the last bit."""
    a, b = one._fitted(), other._fitted()
    pairs = [
        (a.network.tables, b.network.tables),
        (a.network.dense, b.network.dense),
        *((getattr(a.optimizer, name), getattr(b.optimizer, name)) for name in ATTRIBUTES),
        ({"": a.counts}, {"": b.counts}),
        ({"": a.generator.get_state()}, {"": b.generator.get_state()}),
    ]
    for left, right in pairs:
        assert left.keys() == right.keys()
        assert all(torch.equal(left[name], right[name]) for name in left)
    assert a.epochs == b.epochs
    clock = ["seconds", "events_per_second"]
    pd.testing.assert_frame_equal(
        one.history.drop(columns=clock), other.history.drop(columns=clock), check_exact=True
    )
    assert (one.vocabulary.ids == other.vocabulary.ids).all()


def assert_same_weights(one: GRU4Rec, other: GRU4Rec) -> None:
    """Weights and optimiser are equal to the last bit."""
    a, b = one._fitted(), other._fitted()
    pairs = [(getattr(a.network, name), getattr(b.network, name)) for name in ("tables", "dense")]
    pairs += [(getattr(a.optimizer, n), getattr(b.optimizer, n)) for n in ATTRIBUTES]
    for left, right in pairs:
        assert all(torch.equal(left[name], right[name]) for name in left)


@pytest.fixture
def die_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Ends the training before the step that follows so many steps."""
    step = Trainer.step

    def arrange(n_steps: int) -> None:
        left = n_steps

        def count(self: Trainer, *arguments: Any) -> Any:
            nonlocal left
            if left == 0:
                monkeypatch.setattr(Trainer, "step", step)
                raise Killed
            left -= 1
            return step(self, *arguments)

        monkeypatch.setattr(Trainer, "step", count)

    return arrange


@pytest.fixture
def a_step_is_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=map((60.0).__mul__, itertools.count()).__next__)
    monkeypatch.setattr(training_checkpoints, "time", clock)


WHOLE = {  # options that make a training another one, and what it comes to
    "": {},
    "bpr-max": {"loss": "bpr-max", "momentum": 0.0},
    "no negatives": {"n_sample": 0, "dropout_p_embed": 0.0},
    "no embedding": {"constrained_embedding": False, "n_sample": 3, "logq": 1.0},
}


@pytest.fixture(scope="module")
def uninterrupted() -> dict[str, GRU4Rec]:
    return {name: fit(None, **options) for name, options in WHOLE.items()}


@pytest.mark.fuzz
@given(
    which=st.sampled_from(list(WHOLE)),
    ends=st.lists(st.integers(1, 250), min_size=1, max_size=3),
    when=st.sampled_from(
        [{"checkpoint_minutes": 9}, {"checkpoint_minutes": 60}, {"checkpoint_epochs": 1}]
    ),
)
def test_goes_on_as_if_never_ended(
    which: str,
    ends: list[int],
    when: dict[str, Any],
    uninterrupted: dict[str, GRU4Rec],
    die_after: Callable[[int], None],
    a_step_is_a_minute: None,
    tmp_path: Path,
) -> None:
    path = tmp_path / "checkpoint.pth"
    path.unlink(missing_ok=True)
    options = WHOLE[which] | when
    for n_steps in ends:
        die_after(n_steps)
        try:
            gru = fit(path, resume=True, **options)
        except Killed:
            continue
        break
    else:
        gru = fit(path, resume=True, **options)
    assert_same(gru, uninterrupted[which])
    assert_same(GRU4Rec.load(path, "cpu"), gru)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder/checkpoint.pth"


@pytest.fixture
def interrupted(path: Path, die_after: Callable[[int], None], a_step_is_a_minute: None) -> Path:
    """The checkpoint of a training that was ended in its second epoch."""
    die_after(100)
    with pytest.raises(Killed):
        fit(path, checkpoint_minutes=9)
    assert os.listdir(path.parent) == [path.name]
    return path


def test_without_a_checkpoint_it_starts_from_the_beginning(
    path: Path, uninterrupted: dict[str, GRU4Rec], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        assert_same(fit(path, resume=True), uninterrupted[""])
    assert f"no checkpoint {path}" in caplog.text


def test_without_resume_an_old_checkpoint_counts_for_nothing(
    interrupted: Path, uninterrupted: dict[str, GRU4Rec]
) -> None:
    assert_same(fit(interrupted), uninterrupted[""])


def test_a_complete_training_is_not_repeated(path: Path, die_after: Callable[[int], None]) -> None:
    gru = fit(path)
    die_after(0)
    assert_same(fit(path, resume=True), gru)


def test_a_complete_training_may_get_more_epochs(path: Path) -> None:
    fit(path, n_epochs=1)
    assert_same(fit(path, n_epochs=2, resume=True), fit(None, n_epochs=2))


def test_further_training_is_resumed_too(
    path: Path, die_after: Callable[[int], None], a_step_is_a_minute: None
) -> None:
    more = make_log(n_items=40, seed=1)

    def train_further(**checkpoint: Any) -> GRU4Rec:
        return fit(None).fit(more, sample_cache_max_size=CACHE, **checkpoint)

    gru = fit(None)
    die_after(70)
    with pytest.raises(Killed):
        gru.fit(more, sample_cache_max_size=CACHE, checkpoint=path, checkpoint_minutes=9)
    with pytest.raises(DataError, match="other data or of another model"):
        fit(path, more, resume=True)
    assert_same(train_further(checkpoint=path, resume=True), train_further())


def test_text_and_validation_go_on_too(
    path: Path, die_after: Callable[[int], None], a_step_is_a_minute: None
) -> None:
    log = make_log(text=True)
    die_after(100)
    with pytest.raises(Killed):
        fit(path, log, valid=log, checkpoint_minutes=9)
    assert_same(fit(path, log, valid=log, resume=True), fit(None, log, valid=log))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 0.1}, r"other options \(learning_rate is 0.1, there 0.05\)"),
        ({"layers": [6, 5]}, "layers is"),
        ({"n_epochs": 1}, "has come to epoch 2, but n_epochs ends the training after 1"),
    ],
)
def test_other_options_are_refused(
    interrupted: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        fit(interrupted, resume=True, **options)


@pytest.mark.parametrize("arguments", [{"sample_cache_max_size": 9}, {"compatibility_mode": False}])
def test_other_draws_are_refused(interrupted: Path, arguments: dict[str, Any]) -> None:
    arguments = {"sample_cache_max_size": CACHE, **arguments}
    with pytest.raises(ConfigError, match="was made with"):
        GRU4Rec(**OPTIONS).fit(make_log(), checkpoint=interrupted, resume=True, **arguments)


def test_other_data_are_refused_and_the_model_stays_as_it_was(interrupted: Path) -> None:
    gru = GRU4Rec(**OPTIONS)
    other = make_log()
    other.loc[0, "ItemId"] += 1
    with pytest.raises(DataError, match="other data"):
        gru.fit(other, sample_cache_max_size=CACHE, checkpoint=interrupted, resume=True)
    assert gru._state is None


def test_a_model_is_no_checkpoint(path: Path, uninterrupted: dict[str, GRU4Rec]) -> None:
    path.parent.mkdir()
    uninterrupted[""].save(path)
    with pytest.raises(ModelFileError, match="no checkpoint"):
        fit(path, resume=True)


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("epoch", "step"), 10**6),
        (("epoch", "hidden"), [torch.zeros(4, 6), torch.zeros(4, 5)]),
        (("epoch", "pending"), 3),
        (("sampler", "used"), 8),
        (("sampler", "generator"), torch.zeros(3)),
        (("origin", "options"), {}),
        (("origin",), {"surprise": 1}),
        (("device",), None),
    ],
)
def test_a_damaged_checkpoint_is_refused(
    interrupted: Path, place: tuple[str, ...], value: object
) -> None:
    content = torch.load(interrupted, weights_only=True)
    within = content["fit"]
    for name in place[:-1]:
        within = within[name]
    within[place[-1]] = value
    torch.save(content, interrupted)
    with pytest.raises(GRU4RecError, match=r"is damaged|was made with"):
        fit(interrupted, resume=True)


def test_what_cannot_be_resumed_is_refused(path: Path) -> None:
    with pytest.raises(ConfigError, match="name its file"):
        fit(None, resume=True)
    with pytest.raises(ConfigError, match="leave checkpoint or sampler out"):
        GRU4Rec(**OPTIONS).fit(make_log(), checkpoint=path, sampler=object())  # type: ignore[arg-type]


@pytest.fixture
def heeds_ctrl_c() -> Iterator[None]:
    """Python's own handler, which a process that was started in the background has not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_ends_after_the_step_with_a_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, GRU4Rec]
) -> None:
    step, n_steps = Trainer.step, itertools.count(1)

    def press(self: Trainer, *arguments: Any) -> Any:
        if next(n_steps) == 7:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", press)
    with pytest.raises(KeyboardInterrupt, match=f"in epoch 1 after step 7, is {path}"):
        fit(path)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert_same(fit(path, resume=True), uninterrupted[""])


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_a_second_ctrl_c_does_not_wait(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def press_twice(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Trainer, "step", press_twice)
    with pytest.raises(KeyboardInterrupt, match="no checkpoint was written yet"):
        fit(path)
    assert not path.exists()


@pytest.mark.usefixtures("heeds_ctrl_c")
def test_ctrl_c_between_the_epochs_is_heeded(
    path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, GRU4Rec]
) -> None:
    record = GRU4Rec._record

    def press(self: GRU4Rec, *arguments: Any) -> None:
        record(self, *arguments)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(GRU4Rec, "_record", press)
    with pytest.raises(KeyboardInterrupt, match="after epoch 1"):
        fit(path)
    monkeypatch.setattr(GRU4Rec, "_record", record)
    assert_same(fit(path, resume=True), uninterrupted[""])


@pytest.fixture
def heeds_term_and_hup() -> Iterator[None]:
    """The system's own handlers, which a test runner may have changed."""
    before = {n: signal.signal(n, signal.SIG_DFL) for n in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def signal_in_step(monkeypatch: pytest.MonkeyPatch, n_steps: int, number: int) -> None:
    """Sends this process a signal in the midst of a step."""
    step, count = Trainer.step, itertools.count(1)

    def send(self: Trainer, *arguments: Any) -> Any:
        if next(count) == n_steps:
            os.kill(os.getpid(), number)
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", send)


@pytest.mark.usefixtures("heeds_term_and_hup")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_sigterm_and_sighup_end_after_the_step_with_a_checkpoint(
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uninterrupted: dict[str, GRU4Rec],
    caplog: pytest.LogCaptureFixture,
    number: signal.Signals,
    code: int,
) -> None:
    signal_in_step(monkeypatch, 7, number)
    with pytest.raises(SystemExit) as caught:
        fit(path)
    assert caught.value.code == code
    assert caplog.messages == [
        f"training was ended by {number.name}; the last checkpoint, in epoch 1 after step 7, is "
        f"{path}"
    ]
    assert signal.getsignal(number) is signal.SIG_DFL
    assert_same(fit(path, resume=True), uninterrupted[""])


@pytest.mark.usefixtures("heeds_term_and_hup")
@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None], ids=["ignored", "handled"])
def test_signals_that_others_handle_are_left_to_them(
    path: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, GRU4Rec], handler: Any
) -> None:
    signal.signal(signal.SIGTERM, handler)
    signal_in_step(monkeypatch, 7, signal.SIGTERM)
    assert_same(fit(path), uninterrupted[""])
    assert signal.getsignal(signal.SIGTERM) is handler


@pytest.mark.usefixtures("heeds_term_and_hup")
@pytest.mark.parametrize("where", ["no checkpoint", "other thread"])
def test_signals_are_the_systems_without_a_checkpoint_and_in_other_threads(
    path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    step, seen = Trainer.step, set()

    def look(self: Trainer, *arguments: Any) -> Any:
        seen.add(signal.getsignal(signal.SIGTERM))
        return step(self, *arguments)

    monkeypatch.setattr(Trainer, "step", look)
    if where == "no checkpoint":
        fit(None)
    else:
        thread = threading.Thread(target=fit, args=(path,))
        thread.start()
        thread.join()
    assert seen == {signal.SIG_DFL}


def test_divergence_leaves_the_last_good_checkpoint(
    path: Path, monkeypatch: pytest.MonkeyPatch, a_step_is_a_minute: None
) -> None:
    step, n_steps = Trainer.step, itertools.count(1)

    def break_down(self: Trainer, *arguments: Any) -> Any:
        loss, hidden = step(self, *arguments)
        return loss * (float("nan") if next(n_steps) == 20 else 1.0), hidden

    monkeypatch.setattr(Trainer, "step", break_down)
    with pytest.raises(
        TrainingDivergedError, match=f"(?s)epoch 1, step 20;.*in epoch 1 after step 15, is {path}"
    ):
        fit(path, checkpoint_minutes=5)
    assert GRU4Rec.load(path, "cpu").network.tables["output"].isfinite().all()


def test_weights_that_are_not_finite_are_not_kept(
    path: Path, monkeypatch: pytest.MonkeyPatch, a_step_is_a_minute: None
) -> None:
    step, n_steps = Trainer.step, itertools.count(1)

    def spoil(self: Trainer, *arguments: Any) -> Any:
        done = step(self, *arguments)
        if next(n_steps) == 20:
            self.state.network.tables["bias"][3] = torch.inf
        return done

    monkeypatch.setattr(Trainer, "step", spoil)
    with pytest.raises(TrainingDivergedError, match=r"not finite.* step 2\d"):
        fit(path, checkpoint_minutes=5)
    assert GRU4Rec.load(path, "cpu").network.tables["bias"].isfinite().all()


def test_a_full_disk_leaves_the_last_checkpoint(
    interrupted: Path, monkeypatch: pytest.MonkeyPatch, uninterrupted: dict[str, GRU4Rec]
) -> None:
    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    sync = os.fsync
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(ModelFileError, match="No space left"):
        fit(interrupted, resume=True, checkpoint_minutes=9)
    monkeypatch.setattr(os, "fsync", sync)
    assert os.listdir(interrupted.parent) == [interrupted.name]
    assert_same(fit(interrupted, resume=True), uninterrupted[""])


# what is measured jumps about, so that some epoch before the last is the best
EARLY: dict[str, Any] = {"n_epochs": 9, "patience": 2, "metric": "mrr@5", "learning_rate": 0.3}


@pytest.mark.parametrize("n_steps", [5, 40, 75])
def test_a_killed_training_finds_the_same_best_epoch(
    tmp_path: Path, die_after: Callable[[int], None], n_steps: int
) -> None:
    path, early = tmp_path / "checkpoint.pth", {**EARLY, "valid": make_log(seed=1)}
    expected = fit(None, **early)
    assert 1 <= expected.best_epoch < expected.history["epoch"].max() < 9
    die_after(n_steps)
    with pytest.raises(Killed):
        fit(path, checkpoint_epochs=1, checkpoint_minutes=1e-9, **early)

    resumed = fit(path, resume=True, **early)

    assert_same(resumed, expected)
    again = fit(path, resume=True, **early)  # it is complete: nothing is trained
    assert_same(again, expected)
    loaded = GRU4Rec.load(path, device="cpu")
    assert_same_weights(loaded, expected)
    assert loaded.best_epoch == expected.best_epoch
    # weights and optimiser are those of a training that ended there
    options = {name: early[name] for name in ("learning_rate",)}
    assert_same_weights(expected, fit(None, **options, n_epochs=expected.best_epoch))


def test_a_training_that_ended_with_its_best_epoch_goes_on_from_the_last(tmp_path: Path) -> None:
    path, early = tmp_path / "checkpoint.pth", {**EARLY, "valid": make_log(seed=1)}
    early |= {"patience": 50, "n_epochs": 3}
    fit(path, **early)
    early["n_epochs"] = 5

    assert_same(fit(path, resume=True, **early), fit(None, **early))


def test_another_patience_makes_another_training(tmp_path: Path) -> None:
    path, early = tmp_path / "checkpoint.pth", {**EARLY, "valid": make_log(seed=1), "n_epochs": 1}
    fit(path, **early)
    with pytest.raises(ConfigError, match="was made with patience 2, not 3; set it as it was"):
        fit(path, resume=True, **{**early, "patience": 3})
    with pytest.raises(ConfigError, match="was made with metric mrr@5, not mrr@4"):
        fit(path, resume=True, **{**early, "metric": "mrr@4"})
    with pytest.raises(ConfigError, match=r"was made with min_delta 0\.0, not 0\.5"):
        fit(path, resume=True, **{**early, "min_delta": 0.5})
    del early["patience"]
    with pytest.raises(ConfigError, match="was made with patience 2, not None"):
        fit(path, resume=True, **early)


@pytest.mark.parametrize("n_steps", [5, 40, 75])
def test_a_killed_training_goes_on_with_the_learning_rate_of_its_epoch(
    tmp_path: Path, die_after: Callable[[int], None], n_steps: int
) -> None:
    path, options = tmp_path / "checkpoint.pth", {"n_epochs": 4, "learning_rate_decay": 0.5}
    expected = fit(None, **options)
    die_after(n_steps)
    with pytest.raises(Killed):
        fit(path, checkpoint_minutes=1e-9, **options)
    with pytest.raises(ConfigError, match=r"was made with learning_rate_decay 0\.5, not None"):
        fit(path, resume=True, n_epochs=4)

    assert_same(fit(path, resume=True, **options), expected)


def test_a_damaged_best_epoch_is_told(tmp_path: Path) -> None:
    path, early = tmp_path / "checkpoint.pth", {**EARLY, "valid": make_log(seed=1), "n_epochs": 1}
    fit(path, **early)
    saved = load_checkpoint(path, torch.device("cpu"))
    assert saved.fit is not None
    saved.fit["best"]["tensors"]["tables.bias"] = torch.zeros(3)
    save_checkpoint(saved, path, with_optimizer=True)

    for read in (lambda: fit(path, resume=True, **early), lambda: GRU4Rec.load(path)):
        with pytest.raises(ModelFileError, match="is damaged: the weights of its best epoch"):
            read()


def test_weights_that_differ_make_another_training(tmp_path: Path) -> None:
    path, early = tmp_path / "checkpoint.pth", {**EARLY, "valid": make_log(seed=1), "n_epochs": 4}
    kept, last = fit(None, **early), fit(None, n_epochs=4, learning_rate=0.3)
    assert kept.best_epoch < last.best_epoch
    more = make_log(seed=2)
    kept.fit(more, sample_cache_max_size=CACHE, checkpoint=path)
    with pytest.raises(DataError, match="of another model"):
        last.fit(more, sample_cache_max_size=CACHE, checkpoint=path, resume=True)
