import ibis
import numpy as np
import pandas as pd
import pytest

from gru4rec import EvaluationConfig, rank_events
from gru4rec.baselines import BASELINES, VSKNN, Popularity
from gru4rec.errors import DataError
from gru4rec.evaluation import holm, summarise
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.pipelines.baselines import nodes
from gru4rec_kedro.pipelines.baselines.nodes import evaluate_baselines
from gru4rec_kedro.pipelines.modelling.beside import compare_with_baselines

EVALUATION = EvaluationConfig(cutoff=[1, 3])


def log(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    sessions = np.repeat(np.arange(30), 4)
    return pd.DataFrame(
        {"SessionId": sessions, "ItemId": rng.integers(0, 10, 120), "Time": range(120)}
    )


@pytest.fixture(scope="module")
def measured():
    train, test = ibis.memtable(log(0)), ibis.memtable(log(1))
    options = BaselinesConfig(options={"vsknn": {"k": 7}})
    return evaluate_baselines(train, test, test, train, options, EVALUATION, ExperimentConfig())


def metrics_of(baseline_metrics: pd.DataFrame) -> dict:
    first = baseline_metrics.iloc[0]
    return {
        **{f"{name}@{k}": 1 / (8 - k) for name in EVALUATION.metrics for k in EVALUATION.cutoff},
        "training_seconds": 2.0,
        "evaluation_seconds": 1.0,
        "peak_memory_mb": 9.0,
        "trained_on": first["trained_on"],
        "training_events": int(first["training_events"]),
        "tie_mode": "conservative",
        "ranked_targets": "all",
        "exclude_seen": False,
    }


def test_baselines_are_measured_as_any_model(measured):
    metrics, ranks = measured
    assert metrics["model"].unique().tolist() == list(BASELINES)
    assert metrics["k"].tolist() == [1, 3] * len(BASELINES)
    expected = rank_events(VSKNN(k=7).fit(log(0)), log(1))
    pd.testing.assert_frame_equal(
        ranks[ranks["model"] == "vsknn"].drop(columns="model").reset_index(drop=True),
        expected.to_frame(),
    )
    row = metrics[(metrics["model"] == "vsknn") & (metrics["k"] == 3)].iloc[0]
    recall, mrr = summarise(expected.ranks, 3)
    assert (row["recall"], row["mrr"]) == (recall[3], mrr[3])
    assert row["recall_low"] < row["recall"] < row["recall_high"]
    assert (row["trained_on"], row["training_events"]) == ("train_full", 120)


def test_the_clock_stands_still_while_code_is_compiled(monkeypatch, caplog):
    now = 0

    class Compiled(Popularity):
        def score_next(self, items, offsets):
            nonlocal now
            now += 1 if now else 1000  # seconds
            return super().score_next(items, offsets)

    monkeypatch.setitem(BASELINES, "popularity", Compiled)
    monkeypatch.setattr(nodes.time, "perf_counter", lambda: now)
    caplog.set_level("INFO")
    some = ibis.memtable(log(0))
    options = BaselinesConfig(models=["popularity"])
    metrics, _ = nodes.evaluate_baselines(
        some, some, some, some, options, EVALUATION, ExperimentConfig()
    )
    row = metrics.iloc[1]
    assert row["fit_seconds"] == 0
    assert 0 < row["evaluation_seconds"] < 1000
    measured = f"popularity: recall@3 {row['recall']:.4f}, mrr@3 {row['mrr']:.4f}"
    assert any(message.startswith(measured) for message in caplog.messages)


def test_an_empty_part_is_refused():
    some, empty = ibis.memtable(log(0)), ibis.memtable(log(0).iloc[:0])
    with pytest.raises(DataError, match="the part 'test' is empty"):
        evaluate_baselines(
            some, some, empty, some, BaselinesConfig(), EVALUATION, ExperimentConfig()
        )


def test_the_model_is_compared_on_the_same_targets(measured):
    metrics, ranks = measured
    ours = ranks[ranks["model"] == "stan"].drop(columns="model").sample(frac=1, random_state=0)
    table, figure = compare_with_baselines(metrics_of(metrics), ours, metrics, ranks, EVALUATION)
    by_model = table[table["k"] == 3].set_index("model")
    assert table["model"].tolist() == [name for name in ["GRU4Rec", *BASELINES] for _ in (1, 3)]
    assert table["k"].tolist() == [1, 3] * (1 + len(BASELINES))
    assert table["recall"].iloc[:2].tolist() == [1 / 7, 1 / 5]
    assert by_model.loc["stan", ["recall_ahead", "mrr_ahead", "recall_p"]].tolist() == [0, 0, 1]
    of_stan, of_popularity = (
        metrics[(metrics["model"] == name) & (metrics["k"] == 3)]["mrr"].iloc[0]
        for name in ("stan", "popularity")
    )
    assert by_model.loc["popularity", "mrr_ahead"] == pytest.approx(of_stan - of_popularity)
    ascending = by_model.sort_values("recall")  # from the bottom
    assert list(figure.data[0].x) == ascending["recall"].tolist()
    assert {*figure.data[0].y} == {"<b>GRU4Rec</b>", *BASELINES}
    corrected = [f"{name}_p_holm" for name in EVALUATION.metrics]
    p = table.filter(regex="_p$").to_numpy()
    assert table[corrected].to_numpy() == pytest.approx(holm(p), nan_ok=True)
    assert (table[corrected].to_numpy()[2:] >= p[2:]).all()
    assert table[corrected].iloc[:2].isna().all(axis=None)


@pytest.mark.parametrize(
    "change", ["targets", "part", "events", "mode", "which", "seen", "cutoff", "metrics"]
)
def test_baselines_of_something_else_are_not_compared(measured, change):
    metrics, ranks = measured
    facts, ours = metrics_of(metrics), ranks[ranks["model"] == "stan"].drop(columns="model")
    evaluation = EVALUATION
    if change == "targets":
        ours = ours.iloc[1:]
    elif change == "cutoff":
        evaluation = EvaluationConfig(cutoff=[1, 5])
    elif change == "metrics":
        evaluation = EvaluationConfig(cutoff=[1, 3], metrics=["recall", "novelty"])
        ours = ours.assign(**{"novelty@1": 1.0, "novelty@3": 1.0})
    else:
        names = {"part": "trained_on", "events": "training_events", "mode": "tie_mode"}
        names |= {"which": "ranked_targets", "seen": "exclude_seen"}
        facts[names[change]] = 7
    table, _ = compare_with_baselines(facts, ours, metrics, ranks, evaluation)
    assert table["model"].tolist() == ["GRU4Rec"] * 2 + list(BASELINES)
    assert table["recall_ahead"].isna().all()
    assert table["recall"].iloc[2:].isna().all()


def test_without_baselines_there_is_nothing_to_compare(measured):
    table, _ = compare_with_baselines({}, measured[1], pd.DataFrame(), pd.DataFrame(), EVALUATION)
    assert table.empty
    assert "recall_ahead" in table


def test_an_entry_is_all_that_a_new_baseline_needs(monkeypatch):
    class Constant(Popularity):
        def __init__(self, best: int = 0) -> None:
            self.best = best

        def score_next(self, items, offsets):
            scores = super().score_next(items, offsets).copy()
            scores[:, self.vocabulary.encode([self.best])] = 1e9
            return scores

    monkeypatch.setitem(BASELINES, "constant", Constant)
    assert BaselinesConfig().names[-1] == "constant"
    options = BaselinesConfig.parse(
        {"models": ["constant"], "options": {"constant": {"best": 3}}}, "parameters"
    )
    some = ibis.memtable(log(0))
    metrics, ranks = evaluate_baselines(
        some, some, some, some, options, EVALUATION, ExperimentConfig()
    )
    assert metrics["model"].tolist() == ["constant"] * 2
    assert set(ranks.loc[ranks["rank"] == 1, "ItemId"]) == {3}
