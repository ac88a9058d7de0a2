import inspect
import itertools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec, batch_eval, build_model
from gru4rec.config import ModelConfig, TrainingConfig
from gru4rec.errors import (
    ConfigError,
    DataError,
    NotFittedError,
    OutOfMemoryError,
    TrainingDivergedError,
)
from gru4rec.model.losses import LOSSES

MakeEvents = Callable[..., pd.DataFrame]
MakeSessions = Callable[..., list[list[int]]]

OPTIONS: dict[str, Any] = {"layers": [5], "n_sample": 8, "n_epochs": 1, "device": "cpu"}


@pytest.fixture
def events(make_events: MakeEvents, make_random_sessions: MakeSessions) -> pd.DataFrame:
    return make_events(make_random_sessions(40, 15))


@pytest.fixture
def gru(events: pd.DataFrame) -> GRU4Rec:
    return GRU4Rec(**OPTIONS).fit(events)


def weights(gru: GRU4Rec) -> dict[str, torch.Tensor]:
    return {**gru.network.tables, **gru.network.dense}


def same_weights(one: GRU4Rec, other: GRU4Rec) -> bool:
    return all(torch.equal(weight, weights(other)[name]) for name, weight in weights(one).items())


# --- options ---


def test_defaults_are_those_of_the_configuration() -> None:
    parameters = inspect.signature(GRU4Rec).parameters
    defaults = {name: parameter.default for name, parameter in parameters.items()}

    assert {**defaults, "layers": list(defaults["layers"])} == dict(ModelConfig())


def test_defaults_of_fit_are_those_of_the_configuration() -> None:
    parameters = inspect.signature(GRU4Rec.fit).parameters

    assert {name: parameters[name].default for name in TrainingConfig()} == dict(TrainingConfig())


def test_all_mistakes_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as raised:
        GRU4Rec(layers=[], loss="top1", dropout_p_embed=1, learning_rate=0, device="tpu")

    message = str(raised.value)
    assert message.startswith("GRU4Rec has 5 mistake(s):")
    for name in ("layers", "loss", "dropout_p_embed", "learning_rate", "device"):
        assert f"\n  {name}: " in message
    assert "Input should be 'cross-entropy'" in message
    assert "(got 'top1')" in message


@pytest.mark.parametrize("layers", [[8, 4], (8, 4), np.array([8, 4])])
def test_layers_are_any_sequence(layers: Any) -> None:
    assert GRU4Rec(layers=layers, device="cpu").config.layers == [8, 4]


@pytest.mark.parametrize("layers", [100, "100", None])
def test_layers_are_a_sequence(layers: Any) -> None:
    with pytest.raises(ConfigError, match="layers: Input should be a valid list"):
        GRU4Rec(layers=layers)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_a_device_that_is_not_there_is_refused(device: str) -> None:
    with pytest.raises(ConfigError, match=f"device is '{device}', but torch sees 0 cuda device"):
        GRU4Rec(device=device)


def test_auto_is_a_device_of_this_machine() -> None:
    assert GRU4Rec(device="auto").device.type in {"cuda", "mps", "cpu"}


def test_build_model_goes_by_the_section_model() -> None:
    gru = build_model({"model": {"layers": [7], "loss": "bpr-max", "device": "cpu"}})

    assert gru.config == ModelConfig(layers=[7], loss="bpr-max", device="cpu")


# --- fit ---


def test_fit_returns_the_model_and_records_the_epochs(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**{**OPTIONS, "n_epochs": 3})

    assert gru.history.empty
    assert gru.fit(events) is gru
    history = gru.history
    assert list(history) == ["epoch", "loss", "events", "seconds", "events_per_second"]
    assert history["epoch"].tolist() == [1, 2, 3]
    n_targets = int((events.groupby("SessionId").size() - 1).sum())
    assert history["events"].tolist() == [n_targets] * 3
    speed = history["events"] / history["seconds"]
    assert history["events_per_second"].tolist() == pytest.approx(speed.tolist())


@pytest.mark.parametrize("cutoffs", [(1, 5), [1, 5]])
def test_fit_measures_on_validation_data(events: pd.DataFrame, cutoffs: Any) -> None:
    valid = events[events["SessionId"] > 25]

    gru = GRU4Rec(**{**OPTIONS, "n_epochs": 2}).fit(events, valid=valid, valid_cutoff=cutoffs)

    recall, mrr = batch_eval(gru, valid, cutoff=[1, 5])
    measured = gru.history.iloc[-1][["recall@1", "recall@5", "mrr@1", "mrr@5"]].tolist()
    assert measured == [recall[1], recall[5], mrr[1], mrr[5]]
    assert gru.history["recall@5"].notna().all()


def test_the_learning_rate_falls_by_epoch(events: pd.DataFrame) -> None:
    # without draws a training of n epochs is n trainings of one
    options = OPTIONS | {"n_sample": 0, "learning_rate": 0.1}
    falling = GRU4Rec(**options | {"n_epochs": 3})
    by_hand = GRU4Rec(**options | {"n_epochs": 1})
    for _ in range(2):  # a further training begins with the first rate again
        falling.fit(events, learning_rate_decay=1 / 2)
        for rate in (0.1, 0.1 / 2, 0.1 / 4):
            by_hand.config = by_hand.config.model_copy(update={"learning_rate": rate})
            by_hand.fit(events)

        assert same_weights(falling, by_hand)


def test_with_patience_the_weights_are_those_of_the_best_epoch(events: pd.DataFrame) -> None:
    valid = events[events["SessionId"] > 25]
    options = OPTIONS | {"learning_rate": 0.5, "n_epochs": 30}

    gru = GRU4Rec(**options).fit(events, valid=valid, patience=3, metric="recall@2")

    history, best = gru.history, gru.best_epoch
    measured = history["recall@2"]
    assert best == history["epoch"][measured.idxmax()]  # the first of equals
    assert history["epoch"].tolist() == list(range(1, best + 4))
    assert history["kept"].tolist() == [float(epoch == best) for epoch in history["epoch"]]
    assert batch_eval(gru, valid, cutoff=2)[0][2] == measured.max()
    assert same_weights(gru, GRU4Rec(**options | {"n_epochs": best}).fit(events))


def test_a_gain_is_more_than_min_delta(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS | {"n_epochs": 9})
    gru.fit(events, valid=events, patience=2, min_delta=1.0)
    assert (gru.best_epoch, len(gru.history)) == (1, 3)  # nothing gains more than 1


def test_without_patience_the_last_epoch_is_kept(events: pd.DataFrame, tmp_path: Path) -> None:
    gru = GRU4Rec(**OPTIONS | {"n_epochs": 2}).fit(events, valid=events)
    assert gru.best_epoch == 2
    assert "kept" not in gru.history
    gru.fit(events, valid=events, patience=1, min_delta=1.0)
    assert gru.best_epoch == 3
    assert gru.history["kept"].tolist()[2:] == [1.0, 0.0]
    gru.fit(events, valid=events, patience=1, min_delta=1.0)
    assert gru.history["kept"].tolist()[2:] == [1.0, 0.0, 1.0, 0.0]
    assert gru.best_epoch == 5
    gru.save(tmp_path / "gru.pth")
    assert GRU4Rec.load(tmp_path / "gru.pth").best_epoch == 5
    assert gru.fit(events).best_epoch == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patience": 2}, "there is nothing to measure mrr@20 on; give validation data"),
        ({"patience": 0}, "patience"),
        ({"patience": 2, "metric": "mrr"}, "metric"),
        ({"patience": 2, "metric": "loss@3", "valid": 1}, "metric is 'loss@3'; expected recall@k"),
        ({"patience": 2, "min_delta": -0.1}, "min_delta"),
        ({"learning_rate_decay": 0}, "learning_rate_decay"),
        ({"learning_rate_decay": 1.1}, "learning_rate_decay"),
    ],
)
def test_patience_that_cannot_be_had_is_refused(
    events: pd.DataFrame, arguments: dict[str, Any], message: str
) -> None:
    if "valid" in arguments:
        arguments = {**arguments, "valid": events}
    with pytest.raises(ConfigError, match=message):
        GRU4Rec(**OPTIONS).fit(events, **arguments)


def test_each_epoch_is_told_and_what_its_listener_raises_stops_the_training(
    events: pd.DataFrame,
) -> None:
    told: list[dict[str, float]] = []

    def stop_after_two(record: dict[str, float]) -> None:
        told.append(record)
        if len(told) == 2:
            raise StopIteration("enough")

    gru = GRU4Rec(**OPTIONS | {"n_epochs": 5})
    with pytest.raises(StopIteration, match="enough"):
        gru.fit(events, valid=events, on_epoch=stop_after_two)
    assert told == gru.history.to_dict(orient="records")
    assert set(told[0]) > {"epoch", "loss", "mrr@20"}
    assert same_weights(gru, GRU4Rec(**OPTIONS | {"n_epochs": 2}).fit(events))


def test_validation_changes_nothing(events: pd.DataFrame, gru: GRU4Rec) -> None:
    assert same_weights(GRU4Rec(**OPTIONS).fit(events, valid=events), gru)


def test_fit_never_changes_the_data(events: pd.DataFrame) -> None:
    shuffled = events.sample(frac=1, random_state=1)
    before = shuffled.copy(deep=True)

    GRU4Rec(**OPTIONS).fit(shuffled, valid=shuffled)

    pd.testing.assert_frame_equal(shuffled, before)


def test_row_order_never_matters(events: pd.DataFrame, gru: GRU4Rec) -> None:
    assert same_weights(GRU4Rec(**OPTIONS).fit(events.sample(frac=1, random_state=1)), gru)


def test_global_random_states_are_neither_read_nor_set(events: pd.DataFrame) -> None:
    options = {**OPTIONS, "dropout_p_embed": 0.2, "dropout_p_hidden": 0.2}
    states_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first = GRU4Rec(**options).fit(events, compatibility_mode=False)

    assert torch.equal(torch.get_rng_state(), states_before[0])
    assert np.array_equal(np.random.get_state()[1], states_before[1])  # noqa: NPY002
    torch.rand(3)
    assert same_weights(GRU4Rec(**options).fit(events, compatibility_mode=False), first)


@pytest.mark.parametrize(
    ("options", "compatible"),
    [({"n_sample": 8}, True), ({"n_sample": 0}, False), ({"dropout_p_hidden": 0.3}, True)],
    ids=["negatives", "initial weights", "dropout"],
)
def test_one_seed_fixes_everything(
    events: pd.DataFrame, options: dict[str, Any], compatible: bool
) -> None:
    def fitted(seed: int) -> GRU4Rec:
        gru = GRU4Rec(**{**OPTIONS, "n_sample": 0, **options}, seed=seed)
        return gru.fit(events, compatibility_mode=compatible)

    first = fitted(1)
    assert same_weights(fitted(1), first)
    assert not same_weights(fitted(2), first)


def test_in_compatibility_mode_initial_weights_do_not_depend_on_the_seed(
    events: pd.DataFrame,
) -> None:
    options = {**OPTIONS, "n_sample": 0}

    one, other = (GRU4Rec(**options, seed=seed).fit(events) for seed in (1, 2))

    assert same_weights(one, other)


def test_columns_may_have_other_names(events: pd.DataFrame, gru: GRU4Rec) -> None:
    renamed = events.rename(columns={"SessionId": "s", "ItemId": "i", "Time": "t"})

    other = GRU4Rec(**OPTIONS).fit(renamed, item_key="i", session_key="s", time_key="t")

    assert same_weights(other, gru)


def test_fewer_sessions_than_lanes(make_events: MakeEvents) -> None:
    gru = GRU4Rec(**OPTIONS, batch_size=64).fit(make_events([[1, 2, 3], [3, 1]]))

    assert gru.history["events"].tolist() == [2 + 1]


def test_one_session_is_enough_with_extra_negatives(make_events: MakeEvents) -> None:
    gru = GRU4Rec(**OPTIONS, loss="bpr-max").fit(make_events([[1, 2, 3]]))

    assert gru.history["events"].tolist() == [2]


def test_one_session_has_no_negatives_without_extra_ones(make_events: MakeEvents) -> None:
    gru = GRU4Rec(**{**OPTIONS, "n_sample": 0})

    with pytest.raises(DataError, match=r"with n_sample 0 .* there is 1 session of two events"):
        gru.fit(make_events([[1, 2, 3], [4]]))


def test_sessions_of_one_event_teach_nothing(make_events: MakeEvents) -> None:
    with pytest.raises(DataError, match="none of the 3 sessions has two events"):
        GRU4Rec(**OPTIONS).fit(make_events([[1], [2], [3]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_cache_max_size": 0}, "fit has 1 mistake.*\n.*sample_cache_max_size"),
        ({"compatibility_mode": 3}, "compatibility_mode: Input should be a valid boolean"),
        ({"valid_cutoff": [0]}, "cutoff"),
        ({"valid_metrics": ["nonsense"]}, "fit names 'nonsense', which is no metric"),
        ({"valid_metrics": ["mrr", "gini"]}, r"'gini'\]; fit measures \['recall', 'mrr', 'ndcg'\]"),
    ],
)
def test_impossible_options_of_fit_are_refused(
    events: pd.DataFrame, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        GRU4Rec(**OPTIONS).fit(events, **options)


def test_data_that_cannot_be_used_leaves_the_model_as_it_was(
    events: pd.DataFrame, gru: GRU4Rec
) -> None:
    before = {name: weight.clone() for name, weight in weights(gru).items()}
    foreign = events.assign(ItemId=events["ItemId"] + 1000)

    with pytest.raises(DataError, match="lacks the column"):
        gru.fit(events.drop(columns="Time"))
    with pytest.raises(DataError, match="by integers, but text"):
        gru.fit(events.astype({"ItemId": str}))
    with pytest.raises(DataError, match="nothing to evaluate"):
        gru.fit(events, valid=foreign)

    assert all(torch.equal(weights(gru)[name], weight) for name, weight in before.items())
    assert gru.history["epoch"].tolist() == [1]


def test_training_that_diverges_is_an_error_and_leaves_no_weights(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS, loss="bpr-max", learning_rate=1e30)

    with pytest.raises(TrainingDivergedError, match=r"not finite in epoch 1, step \d+; a lower"):
        gru.fit(events)

    with pytest.raises(NotFittedError):
        gru.recommend([[1]])
    with pytest.raises(NotFittedError):
        batch_eval(gru, events)


class FailingSampler:
    """Draws item 0, and raises when it has drawn so often."""

    def __init__(self, error: BaseException, after: int) -> None:
        self.error, self.after = error, after

    def sample(self) -> torch.Tensor:
        if self.after == 0:
            raise self.error
        self.after -= 1
        return torch.tensor([0])


ERRORS = [RuntimeError("no negatives"), KeyboardInterrupt(), MemoryError(), ConfigError("no")]


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_what_fails_before_the_first_step_leaves_the_model_as_it_was(
    events: pd.DataFrame, gru: GRU4Rec, error: BaseException
) -> None:
    fresh = GRU4Rec(**OPTIONS)
    with pytest.raises((type(error), OutOfMemoryError)):
        fresh.fit(events, sampler=FailingSampler(error, after=0))
    with pytest.raises(NotFittedError):
        fresh.recommend([[1]])
    assert same_weights(fresh.fit(events), gru)

    later = events.assign(ItemId=events["ItemId"] + 5)
    with pytest.raises((type(error), OutOfMemoryError)):
        gru.fit(later, sampler=FailingSampler(error, after=0))
    assert len(gru.vocabulary) == gru.network.n_items == 15
    assert same_weights(gru, fresh)
    # nothing else has changed either, such as counts, accumulators or the generator
    assert same_weights(gru.fit(later), fresh.fit(later))
    assert gru.item_counts.tolist() == fresh.item_counts.tolist()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_a_new_model_that_fails_in_its_first_epoch_has_no_weights(
    events: pd.DataFrame, error: BaseException
) -> None:
    gru = GRU4Rec(**OPTIONS | {"batch_size": 4})
    with pytest.raises((type(error), OutOfMemoryError)):
        gru.fit(events, sampler=FailingSampler(error, after=3))
    if isinstance(error, KeyboardInterrupt):  # who ends a training knows how far it is
        assert len(gru.recommend([[1]], k=3)) == 3
    else:
        with pytest.raises(NotFittedError):
            gru.recommend([[1]])


def test_memory_that_ends_a_begun_training_leaves_no_weights(
    events: pd.DataFrame, gru: GRU4Rec
) -> None:
    with pytest.raises(OutOfMemoryError, match=r"GRU layers \(layers \[5\]\).*has no weights"):
        gru.fit(events, sampler=FailingSampler(MemoryError(), after=1))
    with pytest.raises(NotFittedError):
        gru.recommend([[1]])


def test_what_fails_after_an_epoch_leaves_its_weights(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS | {"n_epochs": 5})

    def stop(_: dict[str, float]) -> None:
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        gru.fit(events, on_epoch=stop)
    assert same_weights(gru, GRU4Rec(**OPTIONS).fit(events))


def test_sizes_beyond_the_memory_are_refused_at_once(events: pd.DataFrame) -> None:
    gru = GRU4Rec(layers=[8], batch_size=2**30, n_sample=2**30, device="cpu")
    with pytest.raises(OutOfMemoryError, match=r"ask for .* for mini-batches .*has no weights"):
        gru.fit(events)


def test_after_divergence_the_history_starts_anew(
    events: pd.DataFrame, gru: GRU4Rec, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PoisonedSampler:
        def sample(self) -> torch.Tensor:
            gru.network.tables["bias"].fill_(torch.nan)
            return torch.tensor([0])

    with pytest.raises(TrainingDivergedError, match="epoch 2, step 1"):
        gru.fit(events, sampler=PoisonedSampler())
    assert gru.history["epoch"].tolist() == [1]

    gru.fit(events)

    assert gru.history["epoch"].tolist() == [1]
    assert same_weights(gru, GRU4Rec(**OPTIONS).fit(events))


# --- training further ---


def test_a_second_fit_goes_on(events: pd.DataFrame, gru: GRU4Rec) -> None:
    before = {name: weight.clone() for name, weight in weights(gru).items()}

    gru.fit(events)

    assert gru.history["epoch"].tolist() == [1, 2]
    losses = gru.history["loss"]
    assert losses[1] < losses[0]
    # Adagrad goes on with small steps: the weights are still near
    drift = float((weights(gru)["output"] - before["output"]).abs().max())
    assert 0 < drift < float(before["output"].abs().max())


def test_new_items_are_appended_and_known_rows_kept(
    make_events: MakeEvents, events: pd.DataFrame, gru: GRU4Rec
) -> None:
    ids, rows = gru.vocabulary.ids.tolist(), gru.network.tables["output"].clone()
    # in-batch negatives only: a row that the new log does not use must not move
    more = GRU4Rec(**{**OPTIONS, "n_sample": 0})
    more._vocabulary, more._state = gru._vocabulary, gru._state

    more.fit(make_events([[100, ids[0], 101], [101, 102]]))

    assert more.vocabulary.ids.tolist() == [*ids, 100, 101, 102]
    after = more.network.tables["output"]
    assert after.shape == (len(ids) + 3, 5)
    assert torch.equal(after[1 : len(ids)], rows[1:])
    assert not torch.equal(after[0], rows[0])
    counts = events["ItemId"].value_counts()
    expected = [counts[item] for item in ids]
    expected[0] += 1
    assert more.item_counts.tolist() == [*expected, 1, 2, 1]
    assert set(more.recommend([[100]])["item"]) == {*ids, 100, 101, 102}


def test_items_that_come_later_do_not_start_alike(make_events: MakeEvents) -> None:
    # so small a step that fresh rows stay where they began
    options = {**OPTIONS, "learning_rate": 1e-30}
    gru = GRU4Rec(**options).fit(make_events([[1, 2], [2, 3]]), compatibility_mode=False)
    gru.fit(make_events([[1, 100]]))

    gru.fit(make_events([[1, 200]]))

    rows = torch.nn.functional.normalize(gru.network.tables["output"], dim=1)
    cosines = (rows @ rows.T).fill_diagonal_(0)
    assert float(cosines.max()) < 0.999


# --- learning ---


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("n_sample", [0, 20])
def test_a_cycle_is_learnt(make_events: MakeEvents, loss: str, n_sample: int) -> None:
    # item i is followed by item i + 1 (modulo 10), from wherever a session starts
    sessions = [[(start + n) % 10 for n in range(6)] for start in list(range(10)) * 12]
    train, test = make_events(sessions[:100]), make_events(sessions[100:])
    gru = GRU4Rec(
        layers=[20], loss=loss, batch_size=10, n_sample=n_sample, n_epochs=10, device="cpu"
    )

    recall, _ = batch_eval(gru.fit(train), test, cutoff=[1])

    assert recall[1] > 0.9
    # by chance it would be 1/10
    untrained = GRU4Rec(layers=[20], n_sample=1, learning_rate=1e-30, n_epochs=1, device="cpu")
    assert batch_eval(untrained.fit(train), test, cutoff=[1])[0][1] < 0.5


def test_more_than_the_last_item_is_remembered(make_events: MakeEvents) -> None:
    # after the common item 0 comes what the first item says
    sessions = [[first, 0, first + 10] for first in [1, 2, 3, 4, 5] * 40]
    gru = GRU4Rec(layers=[20], batch_size=10, n_sample=20, n_epochs=10, device="cpu")

    gru.fit(make_events(sessions))

    best = gru.recommend([[first, 0] for first in range(1, 6)], k=1)
    assert best["item"].tolist() == [11, 12, 13, 14, 15]


# --- recommend ---


def test_recommendations_are_a_frame(gru: GRU4Rec) -> None:
    best = gru.recommend([[1, 2], [3]], k=4)

    assert list(best) == ["session", "rank", "item", "score"]
    assert [dtype.kind for dtype in best.dtypes] == ["i", "i", "i", "f"]
    assert best["session"].tolist() == [0] * 4 + [1] * 4
    assert best["rank"].tolist() == [1, 2, 3, 4] * 2
    assert best["item"].isin(gru.vocabulary.ids).all()
    for _, scores in best.groupby("session")["score"]:
        assert scores.is_monotonic_decreasing


@pytest.mark.parametrize("exclude_seen", [False, True])
@pytest.mark.parametrize("layers", [[5], [5, 4]])
def test_batch_equals_single_equals_live(
    events: pd.DataFrame,
    make_random_sessions: MakeSessions,
    monkeypatch: pytest.MonkeyPatch,
    layers: list[int],
    exclude_seen: bool,
) -> None:
    gru = GRU4Rec(**{**OPTIONS, "layers": layers}).fit(events)
    sessions = make_random_sessions(30, 15, seed=7)
    options = {"k": 5, "exclude_seen": exclude_seen}

    batch = gru.recommend(sessions, **options)
    monkeypatch.setattr("gru4rec.recommender._SESSIONS_AT_A_TIME", 7)
    in_parts = gru.recommend(sessions, **options)

    close = {"rtol": 0, "atol": 1e-5}
    pd.testing.assert_frame_equal(in_parts, batch, **close)
    for number, session in enumerate(sessions):
        expected = batch[batch["session"] == number].reset_index(drop=True)
        single = gru.recommend({number: session}, **options)
        pd.testing.assert_frame_equal(single, expected, **close)
        live = gru.live_session(number)
        assert all(live.add(item) for item in session)
        pd.testing.assert_frame_equal(live.recommend(**options), expected, **close)


def test_the_best_items_are_those_that_evaluation_ranks_first(
    make_events: MakeEvents, gru: GRU4Rec
) -> None:
    best = gru.recommend([[1, 2]], k=1)["item"].item()

    recall, _ = batch_eval(gru, make_events([[1, 2, best], [1, 2, best]]), cutoff=[1])

    assert recall[1] >= 1 / 2


def test_a_live_session_answers_after_each_item(gru: GRU4Rec) -> None:
    live, items = gru.live_session("tonight"), [3, 1, 4, 1, 5]
    for n, item in enumerate(items):
        expected = gru.recommend({"tonight": items[:n]}, k=3)
        pd.testing.assert_frame_equal(live.recommend(k=3), expected, rtol=0, atol=1e-5)
        live.add(item)


def test_live_sessions_do_not_disturb_each_other(gru: GRU4Rec) -> None:
    one, other = gru.live_session(), gru.live_session()
    one.add(1)
    before = one.recommend()

    other.add(2)

    pd.testing.assert_frame_equal(one.recommend(), before)


def test_seen_items_can_be_left_out(gru: GRU4Rec) -> None:
    everything = gru.recommend([[1, 2, 1]], k=15)

    unseen = gru.recommend([[1, 2, 1]], k=15, exclude_seen=True)

    kept = everything[~everything["item"].isin([1, 2])]
    assert set(everything["item"]) == set(range(15))
    assert unseen["item"].tolist() == kept["item"].tolist()
    assert unseen["rank"].tolist() == list(range(1, 14))


def test_a_small_catalogue_gives_what_it_has(gru: GRU4Rec) -> None:
    best = gru.recommend([[1]], k=1000)

    assert sorted(best["item"]) == list(range(15))


def test_unknown_items_are_skipped_and_reported(
    gru: GRU4Rec, caplog: pytest.LogCaptureFixture
) -> None:
    expected = gru.recommend([[1, 2], []])

    with caplog.at_level(logging.WARNING):
        best = gru.recommend([[77, 1, 78, 2], [79]])

    pd.testing.assert_frame_equal(best, expected)
    assert "3 of 5 items in the sessions are unknown to the model and skipped" in caplog.text
    live = gru.live_session()
    assert [live.add(item) for item in (77, 1, 78, 2)] == [False, True, False, True]
    assert live.recommend()["item"].tolist() == best.loc[best["session"] == 0, "item"].tolist()


@pytest.mark.parametrize("session", [[], [777]], ids=["empty", "all unknown"])
def test_without_a_known_item_the_scores_are_the_biases(gru: GRU4Rec, session: list[int]) -> None:
    bias = gru.network.tables["bias"]

    best = gru.recommend([session], k=15)

    in_order = torch.argsort(bias, descending=True, stable=True).numpy()
    assert best["item"].tolist() == gru.vocabulary.ids[in_order].tolist()
    assert best["score"].tolist() == bias[in_order].tolist()


@pytest.mark.parametrize(
    "keys", [["b", "a"], [(1, "x"), (0, "y")], [7, 3], [10**18 + 1, 0], ["b", 1]]
)
def test_sessions_keep_their_keys_and_their_order(gru: GRU4Rec, keys: list[Any]) -> None:
    best = gru.recommend(dict(zip(keys, [[1], [2]], strict=True)), k=2)

    expected = list(itertools.chain.from_iterable([key, key] for key in keys))
    assert best["session"].tolist() == expected


def test_no_sessions_have_no_recommendations(gru: GRU4Rec) -> None:
    for nothing in ([], {}):
        best = gru.recommend(nothing)

        assert list(best) == ["session", "rank", "item", "score"]
        assert best.empty


def test_items_may_be_text(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS).fit(events.astype({"ItemId": str}))

    best = gru.recommend([["1", "2", "new"]], k=2)

    assert all(isinstance(item, str) for item in best["item"])
    with pytest.raises(DataError, match="by text, but integers"):
        gru.recommend([[1, 2]])
    with pytest.raises(DataError, match="by text, but integers"):
        gru.live_session().add(1)


def test_sessions_may_be_arrays_and_series(gru: GRU4Rec) -> None:
    expected = gru.recommend([[1, 2], [3, 4]])

    for sessions in (np.array([[1, 2], [3, 4]]), [pd.Series([1, 2]), (3, 4)]):
        pd.testing.assert_frame_equal(gru.recommend(sessions), expected)


@pytest.mark.parametrize(
    ("sessions", "message"),
    [
        ([1, 2, 3], "session 0 is 1; a list of its items is expected"),
        (["12"], "session 0 is '12'; a list of its items is expected"),
        (pd.Series([[1], [2]], index=["a", "a"]), "session 'a' is in the index twice"),
        ("12", "sessions is '12'; a list of sessions is expected"),
        (None, "sessions is None; a list of sessions is expected"),
        (pd.DataFrame({"SessionId": [1]}), "a table with the columns 'SessionId'; give the list"),
        ({"x": 5}, "session 'x' is 5; a list"),
        ([[1, None]], "item ids has 1 missing value"),
        ([[1, "a"]], "item ids holds 1 of type int; all ids must be integers or all"),
        ([["a"]], "the model knows its items by integers, but text were given"),
        ([[1.5]], "item ids holds 1.5 as a floating-point number"),
    ],
)
def test_what_are_no_sessions_is_refused(gru: GRU4Rec, sessions: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        gru.recommend(sessions)


@pytest.mark.parametrize("k", [0, -1, 2.5])
def test_at_least_one_item_is_asked_for(gru: GRU4Rec, k: Any) -> None:
    with pytest.raises(DataError, match=f"k is {k}; a whole number"):
        gru.recommend([[1]], k=k)
    with pytest.raises(DataError, match=f"k is {k}; a whole number"):
        gru.live_session().recommend(k=k)


def test_a_model_without_weights_recommends_nothing(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS)

    for use in (
        lambda: gru.recommend([[1]]),
        gru.live_session,
        lambda: batch_eval(gru, events),
        lambda: gru.network,
    ):
        with pytest.raises(NotFittedError, match=r"call fit\(\) or GRU4Rec.load\(\) first"):
            use()


# --- candidates ---


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_candidates_are_ranked_as_they_are_among_all_items(
    gru: GRU4Rec, make_random_sessions: MakeSessions, exclude_seen: bool
) -> None:
    sessions, allowed = make_random_sessions(30, 15, seed=7), [3, 11, 0, 7, 3, 14]
    everything = gru.recommend(sessions, k=15, exclude_seen=exclude_seen)
    expected = everything[everything["item"].isin(allowed)].copy()
    expected["rank"] = expected.groupby("session").cumcount() + 1
    expected = expected[expected["rank"] <= 4].reset_index(drop=True)

    options: dict[str, Any] = {"k": 4, "exclude_seen": exclude_seen}
    best = gru.recommend(sessions, candidates=allowed, **options)

    close = {"rtol": 0, "atol": 1e-6}
    pd.testing.assert_frame_equal(best, expected, **close)
    pd.testing.assert_frame_equal(
        gru.recommend(sessions, candidates=gru.shortlist(allowed), **options), best
    )
    live = gru.live_session()
    assert all(live.add(item) for item in sessions[0])
    of_first = best[best["session"] == 0]
    pd.testing.assert_frame_equal(live.recommend(candidates=allowed, **options), of_first, **close)


def test_fewer_candidates_than_k_give_what_there_is(gru: GRU4Rec) -> None:
    best = gru.recommend([[1], []], k=20, exclude_seen=True, candidates=[1, 2])

    assert best["session"].tolist() == [0, 1, 1]
    assert best["item"].tolist()[:1] == [2]
    assert sorted(best["item"].tolist()[1:]) == [1, 2]


def test_candidates_may_be_text(events: pd.DataFrame) -> None:
    gru = GRU4Rec(**OPTIONS).fit(events.astype({"ItemId": str}))

    assert set(gru.recommend([["1"]], candidates={"3", "4", "new"})["item"]) == {"3", "4"}
    with pytest.raises(DataError, match="by text, but integers were given"):
        gru.recommend([["1"]], candidates=[3, 4])


# --- dropout ---


def test_dropout_has_no_part_in_evaluation_and_recommendation(events: pd.DataFrame) -> None:
    options = {**OPTIONS, "dropout_p_embed": 0.9, "dropout_p_hidden": 0.9}
    dropping = GRU4Rec(**options).fit(events)
    plain = GRU4Rec(**OPTIONS)
    plain._vocabulary, plain._state = dropping._vocabulary, dropping._state

    assert batch_eval(dropping, events) == batch_eval(plain, events)
    pd.testing.assert_frame_equal(dropping.recommend([[1, 2]]), plain.recommend([[1, 2]]))
    live_dropping, live_plain = dropping.live_session(), plain.live_session()
    live_dropping.add(1)
    live_plain.add(1)
    pd.testing.assert_frame_equal(live_dropping.recommend(), live_plain.recommend())


@pytest.mark.parametrize("option", ["dropout_p_embed", "dropout_p_hidden"])
@pytest.mark.parametrize("mode", [{}, {"constrained_embedding": False}])
def test_dropout_changes_training(events: pd.DataFrame, option: str, mode: dict[str, Any]) -> None:
    options = {**OPTIONS, "layers": [5, 5], "n_sample": 0, **mode}
    plain = GRU4Rec(**options).fit(events)

    dropping = GRU4Rec(**{**options, option: 0.3}).fit(events)

    assert not same_weights(plain, dropping)


# --- GPU ---


@pytest.mark.gpu
@pytest.mark.parametrize("loss", LOSSES)
def test_training_on_a_gpu_equals_training_on_a_cpu(events: pd.DataFrame, loss: str) -> None:
    options = {**OPTIONS, "n_sample": 0, "loss": loss, "n_epochs": 2}
    on_cpu = GRU4Rec(**options).fit(events)

    on_gpu = GRU4Rec(**{**options, "device": "cuda"}).fit(events)

    assert on_gpu.network.device.type == "cuda"
    assert on_gpu.history["loss"].tolist() == pytest.approx(on_cpu.history["loss"], rel=1e-4)
    assert batch_eval(on_gpu, events)[0] == pytest.approx(batch_eval(on_cpu, events)[0], abs=0.02)
