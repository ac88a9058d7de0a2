import ibis
import numpy as np
import pandas as pd
import pytest

from gru4rec import EvaluationConfig, GRU4Rec, rank_events
from gru4rec_kedro.options.parameters import ExperimentConfig
from gru4rec_kedro.pipelines.modelling.examples import choose_examples
from gru4rec_kedro.reporting.provenance import fingerprint


@pytest.fixture(scope="module")
def log() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    lengths = rng.integers(2, 15, 60)
    sessions = np.repeat(np.arange(60), lengths)
    items = rng.integers(0, 40, len(sessions))
    return pd.DataFrame(
        {"SessionId": sessions, "ItemId": items, "Time": range(1, len(sessions) + 1)}
    )


@pytest.fixture(scope="module")
def gru(log) -> GRU4Rec:
    return GRU4Rec(layers=[8], n_sample=8, n_epochs=3, device="cpu").fit(log)


def choose(gru, log, **options):
    evaluation = EvaluationConfig(**options)
    ranked = rank_events(gru, log, exclude_seen=evaluation.exclude_seen).to_frame()
    table = ibis.memtable(log.sample(frac=1, random_state=1))
    return ranked, choose_examples(gru, table, table, ranked, evaluation, ExperimentConfig())


@pytest.mark.parametrize("exclude_seen", [False, True])
def test_what_is_shown_is_what_was_ranked(gru, log, exclude_seen):
    unknown = log.head(1).assign(ItemId=999, Time=0)  # the model skips it, and so does the page
    ranked, examples = choose(gru, pd.concat([log, unknown]), exclude_seen=exclude_seen)
    assert examples["ranks"] == fingerprint(ranked)
    ranks = [of["rank"] for of in examples["sessions"]]
    assert len(ranks) == 5
    assert ranks == sorted(ranks)
    there = log.groupby("SessionId")["ItemId"].agg(list)
    for of in examples["sessions"]:
        n = len(of["clicked"])
        assert 2 <= n <= 8
        assert [*of["clicked"], of["next"]] in [events[: n + 1] for events in there]
        if of["rank"] <= 10:
            assert of["best"].index(of["next"]) == of["rank"] - 1
        else:
            assert of["next"] not in of["best"]
        assert len(of["best"]) == 10


def test_they_are_chosen_by_rule(gru, log):
    ranked, examples = choose(gru, log)
    last = ranked.groupby("SessionId").tail(1)
    readable = last[last["position"].between(2, 8)].sort_values("rank")
    assert (examples["among"], examples["by_length"]) == (len(readable), True)
    quarters = readable["rank"].quantile([0, 0.25, 0.5, 0.75, 1], interpolation="nearest")
    assert [of["rank"] for of in examples["sessions"]] == quarters.tolist()
    assert choose(gru, log)[1] == examples


def test_whoever_must_not_show_sessions_turns_them_off(gru, log):
    ranked, table = rank_events(gru, log).to_frame(), ibis.memtable(log)
    none = ExperimentConfig(example_sessions=False)
    assert choose_examples(gru, table, table, ranked, EvaluationConfig(), none) == {}


def test_few_sessions_are_shown_as_they_are(gru, log):
    _, examples = choose(gru, log[log["SessionId"] < 3])
    assert (examples["among"], examples["by_length"]) == (3, False)
    assert len(examples["sessions"]) == 3
    assert not any("session" in of for of in examples["sessions"])
