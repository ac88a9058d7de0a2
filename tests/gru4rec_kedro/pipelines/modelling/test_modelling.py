import logging

import ibis
import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import DataError, EvaluationConfig, GRU4Rec, ModelConfig, TrainingConfig
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.pipelines.modelling.figures import plot_training
from gru4rec_kedro.pipelines.modelling.nodes import evaluate_model, train_model
from gru4rec_kedro.reporting.provenance import fingerprint

EVALUATION = EvaluationConfig(cutoff=[2, 6])


@pytest.fixture
def log() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    sessions = np.repeat(np.arange(30), 4)
    return pd.DataFrame(
        {"SessionId": sessions, "ItemId": rng.permutation(np.arange(120) % 10), "Time": range(120)}
    )


@pytest.fixture
def trained(log):
    table = ibis.memtable(log)
    options = ModelConfig(layers=[4], n_sample=4, n_epochs=2, device="cpu")
    experiment = ExperimentConfig(train_on="train")
    return train_model(*[table] * 4, options, TrainingConfig(), EVALUATION, experiment)


def evaluate(gru: GRU4Rec, log: pd.DataFrame, **options):
    table = ibis.memtable(log)
    evaluation = EvaluationConfig(cutoff=[2, 6], **options)
    return evaluate_model(gru, table, table, evaluation, ExperimentConfig())


def test_a_model_says_what_it_was_trained_on(trained, log):
    gru, history = trained
    assert gru.notes["trained_on"] == "train"
    assert (gru.notes["events"], gru.notes["sessions"]) == (120, 30)
    metrics, _, _ = evaluate(gru, log)
    assert metrics["trained_on"] == "train"
    assert metrics["training_events"] == 120
    assert metrics["history"] == history.to_dict(orient="records")


@pytest.mark.parametrize("unit", ["s", "ordinal"])
def test_a_model_says_from_when_its_events_are_where_times_are_a_clock(log, unit):
    table = ibis.memtable(log.assign(Time=log["Time"].iloc[::-1].to_numpy() + 86_400 * 365))
    parts = {"fingerprints": {"train_full": fingerprint(table)}, "log": "clicks.csv"}
    origin = {**parts, "options": {"loading": {"time_unit": unit}}}
    rest = (ModelConfig(layers=[4], n_epochs=1, device="cpu"), TrainingConfig(), EVALUATION)
    gru, _ = train_model(*[table] * 4, *rest, ExperimentConfig(), None, origin)
    metrics, _, _ = evaluate(gru, log)
    ends = metrics["training_first_date"], metrics["training_last_date"]
    dates = ("1971-01-01T00:00:00+00:00", "1971-01-01T00:01:59+00:00")
    assert ends == (dates if unit == "s" else (None, None))


def test_training_goes_on_from_the_newest_version(trained, log, tmp_path):
    earlier, history = trained
    for version, epochs in (("2024-01-01T00.00.00.000Z", 1), ("2024-01-02T00.00.00.000Z", 2)):
        earlier._history = history.to_dict("records")[:epochs]  # to tell one from the other
        (tmp_path / "gru.pth" / version).mkdir(parents=True)
        earlier.save(tmp_path / "gru.pth" / version / "gru.pth")
    new = ibis.memtable(log.assign(ItemId=log["ItemId"] + 5))
    options = ModelConfig(layers=[4], n_sample=4, n_epochs=1, learning_rate=1e-30, device="cpu")
    experiment = ExperimentConfig(continue_from=str(tmp_path / "gru.pth"))
    gru, more = train_model(*[new] * 4, options, TrainingConfig(), EVALUATION, experiment)
    assert more["epoch"].tolist() == [1, 2, 3]
    assert sorted(gru.vocabulary.ids) == list(range(15))
    # so small a step that known rows stay where they were
    known, rows = earlier.network.tables["output"], gru.network.tables["output"]
    assert torch.equal(rows[:10], known)
    assert gru.notes["continued_from"] == str(
        tmp_path / "gru.pth" / "2024-01-02T00.00.00.000Z" / "gru.pth"
    )
    assert evaluate(gru, log)[0]["continued_from"] == gru.notes["continued_from"]


def test_training_goes_on_without_the_items_that_were_not_seen_for_days(trained, log, tmp_path):
    trained[0].save(tmp_path / "gru.pth")
    later = log.assign(ItemId=log["ItemId"] + 5, Time=log["Time"] + 4 * 86_400)
    options = ModelConfig(layers=[4], n_sample=4, n_epochs=1, device="cpu")
    experiment = ExperimentConfig(continue_from=str(tmp_path / "gru.pth"))
    for days, first in ((4, 0), (3, 5)):
        training = TrainingConfig(retire_after_days=days)
        gru, _ = train_model(*[ibis.memtable(later)] * 4, options, training, EVALUATION, experiment)
        assert sorted(gru.vocabulary.ids) == list(range(first, 15))


def test_training_on_ids_of_another_kind_names_model_and_column(trained, log, tmp_path):
    trained[0].save(tmp_path / "gru.pth")
    text = ibis.memtable(log.assign(ItemId="sku-" + log["ItemId"].astype(str)))
    experiment = ExperimentConfig(continue_from=str(tmp_path / "gru.pth"))
    options = ModelConfig(layers=[4], device="cpu")
    message = r"continue_from: .*gru\.pth .* ItemId of the part 'train_full': .* by integers"
    with pytest.raises(DataError, match=message):
        train_model(*[text] * 4, options, TrainingConfig(), EVALUATION, experiment)


@pytest.mark.parametrize("as_id", [int, "sku-{}".format])
def test_a_part_without_a_known_target_is_refused_before_training(log, as_id, tmp_path):
    log["ItemId"] = log["ItemId"].map(as_id)
    train = ibis.memtable(log)
    # each of two sessions has one known item, and one that is new
    rows = [(90, as_id(1), 1), (90, as_id(77), 2), (91, as_id(78), 1), (91, as_id(2), 2)]
    test = ibis.memtable(pd.DataFrame(rows, columns=list(log)))
    checkpoint = tmp_path / "checkpoint.pth"
    rest = (ModelConfig(layers=[4], device="cpu"), TrainingConfig(), EVALUATION)
    message = r"the part 'test' .* 'train_full': of its 4 events, 2 are .* no session has two"
    with pytest.raises(DataError, match=message):
        train_model(train, train, test, train, *rest, ExperimentConfig(), checkpoint)
    experiment = ExperimentConfig(train_on="train", evaluate_on="valid")
    with pytest.raises(DataError, match=r"the part 'valid' .* after training on 'train'"):
        train_model(train, test, train, train, *rest, experiment, checkpoint)
    assert not checkpoint.exists()


def test_items_of_the_earlier_model_count_as_known(trained, log, tmp_path):
    trained[0].save(tmp_path / "gru.pth")
    new, old = ibis.memtable(log.assign(ItemId=log["ItemId"] + 50)), ibis.memtable(log)
    options = ModelConfig(layers=[4], n_sample=4, n_epochs=1, device="cpu")
    rest = (options, TrainingConfig(), EVALUATION)
    with pytest.raises(DataError, match="nothing in the part 'test'"):
        train_model(new, new, old, new, *rest, ExperimentConfig())
    experiment = ExperimentConfig(continue_from=str(tmp_path / "gru.pth"))
    gru, _ = train_model(new, new, old, new, *rest, experiment)
    assert len(gru.vocabulary) == 20


def test_a_model_without_notes_can_be_evaluated(trained, log):
    trained[0].notes.clear()
    metrics, _, _ = evaluate(trained[0], log)
    assert metrics["trained_on"] is None


def test_metrics_tell_other_events_from_the_same_in_another_order(trained, log):
    of_log, of_reversed, of_another = (
        evaluate(trained[0], part)[0]["evaluated_events"]
        for part in (log, log[::-1], log.assign(Time=log["Time"] + 1))
    )
    assert of_log == of_reversed != of_another


def test_unknown_items_and_their_events_are_counted(trained, log):
    log.loc[[0, 1, 8], "ItemId"] = [77, 78, 77]
    metrics, ranked, _ = evaluate(trained[0], log)
    assert (metrics["unknown_items"], metrics["unknown_events"]) == (2, 3)
    assert metrics["targets"] == len(ranked) == 120 - 30 - 3
    assert metrics["sessions"] == 30


@pytest.mark.parametrize("mode", ["conservative", "standard", "median"])
def test_many_ties_are_a_warning(trained, log, caplog, mode):
    gru, _ = trained
    for table in gru.network.tables.values():
        table.zero_()
    with caplog.at_level(logging.WARNING):
        metrics, _, _ = evaluate(gru, log, mode=mode)
    assert (metrics["tied_targets"], metrics["most_ties"]) == (90, 9)
    # all ten items tie: the target is first or last
    assert metrics["tie_effect"] == 1
    assert "many ties: recall differs by up to 1.0000" in caplog.text


def test_without_ties_nothing_is_said(trained, log, caplog):
    with caplog.at_level(logging.WARNING):
        metrics, _, _ = evaluate(trained[0], log)
    assert metrics["tie_effect"] == metrics["tied_targets"] == 0
    assert caplog.messages == []


def test_refit_trains_on_everything_for_as_many_epochs_as_were_best(log, tmp_path):
    train, valid = log[log["SessionId"] < 20], log[log["SessionId"] >= 20]
    parts = [ibis.memtable(part) for part in (train, valid, log, log)]
    options = ModelConfig(layers=[4], n_sample=4, n_epochs=8, learning_rate=0.4, device="cpu")
    training = TrainingConfig(patience=2, metric="mrr@6")
    experiment, checkpoint = ExperimentConfig(refit=True), tmp_path / "checkpoint.pth"

    gru, history = train_model(*parts, options, training, EVALUATION, experiment, checkpoint)

    searched = GRU4Rec(**options).fit(train, valid=valid, patience=2, metric="mrr@6")
    best = searched.best_epoch
    assert gru.notes["search_epoch"] == best < 8
    assert gru.config.n_epochs == best == len(history)
    anew = GRU4Rec(**{**options, "n_epochs": best}).fit(log)
    assert torch.equal(anew.network.tables["output"], gru.network.tables["output"])
    assert gru.notes["trained_on"] == "train_full"
    metrics, _, _ = evaluate(gru, log)
    assert (metrics["best_epoch"], metrics["search_epoch"]) == (best, best)
    assert [record["mrr@6"] for record in metrics["search_history"]] == pytest.approx(
        searched.history["mrr@6"].tolist()
    )
    figure = plot_training(metrics)
    assert [trace.name for trace in figure.data][:2] == ["loss", "loss on train_full"]
    assert figure.layout.annotations[0].text == f"best epoch: {best}"

    # after a kill it goes on, with what was found
    resumed = training.model_copy(update={"resume": True})
    again, _ = train_model(*parts, options, resumed, EVALUATION, experiment, checkpoint)
    assert torch.equal(again.network.tables["output"], gru.network.tables["output"])
