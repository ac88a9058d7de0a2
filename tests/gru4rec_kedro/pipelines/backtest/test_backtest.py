import shutil
import threading

import ibis
import numpy as np
import pandas as pd
import pytest
from filelock import FileLock

from gru4rec import (
    ConfigError,
    EvaluationConfig,
    GRU4Rec,
    LoadingConfig,
    ModelConfig,
    TrainingConfig,
)
from gru4rec.baselines import Popularity
from gru4rec.evaluation import compare, measure, rank_shared
from gru4rec_kedro.options.backtest import BacktestConfig
from gru4rec_kedro.options.baselines import BaselinesConfig
from gru4rec_kedro.pipelines.backtest import running, trials, windows
from gru4rec_kedro.pipelines.backtest.figures import plot_backtest
from gru4rec_kedro.pipelines.backtest.nodes import run_backtest
from gru4rec_kedro.pipelines.backtest.report import summarise_backtest, write_backtest_report

DAY = windows.DAY
MODEL = ModelConfig(layers=[8], n_sample=8, batch_size=8, n_epochs=2, device="cpu")
BACKTEST = BacktestConfig(
    n_windows=3, window_days=1, until=5 * DAY, baselines=["popularity"], metric="mrr@5"
)
ALL = ("once", "retrain", "continue", "popularity")


def make_log():
    """Five days of 30 sessions; item 10 + d is new on day d, which is popular from then on."""
    rng = np.random.default_rng(0)
    rows = []
    for session in range(150):
        day = session // 30
        items = rng.choice([*range(8), *([10 + day] * 4), 9 + day], 4)
        begin = day * DAY + (session % 30) * 600
        rows += [(session, item, begin + place) for place, item in enumerate(items)]
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


LOG = make_log()


@pytest.fixture(scope="module", autouse=True)
def _few_suffice():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "FEWEST_SESSIONS", 10)
        yield


def run(folder, backtest=BACKTEST, model=MODEL, log=LOG, time_unit="s"):
    return run_backtest(
        folder,
        ibis.memtable(log),
        model,
        TrainingConfig(),
        EvaluationConfig(cutoff=[2]),
        BaselinesConfig(),
        backtest,
        LoadingConfig(time_unit=time_unit),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("backtest")


@pytest.fixture(scope="module")
def table(folder):
    return run(folder)


@pytest.fixture
def trained(monkeypatch):
    """What is trained from now on: a number of events each."""
    found = []
    fit = GRU4Rec.fit

    def noted(self, data, *args, **options):
        found.append(len(data))
        return fit(self, data, *args, **options)

    monkeypatch.setattr(GRU4Rec, "fit", noted)
    return found


def parts():
    """Events before and in each window; no session is in two."""
    day = LOG["Time"] // DAY
    return [(LOG[day < start], LOG[day == start]) for start in (2, 3, 4)]


def test_there_is_a_row_for_each_window_strategy_and_cutoff(table):
    keys = table[["window", "strategy", "k"]].itertuples(index=False, name=None)
    assert list(keys) == [(w, s, k) for w in (1, 2, 3) for s in ALL for k in (2, 5)]
    once = table[table["strategy"] == "once"]
    assert once["age_days"].tolist() == [0, 0, 1, 1, 2, 2]
    assert (table.loc[table["strategy"] != "once", "age_days"] == 0).all()
    assert (table["targets"] > 0).all()
    assert table.groupby("window")["targets"].nunique().eq(1).all()
    assert set(table["over"].dropna()) == {"once"}


def test_strategies_are_what_they_are_called(table):
    (first, one), (second, two), (third, three) = parts()
    once = GRU4Rec(**MODEL).fit(first)
    models = {
        (2, "once"): once,
        (2, "retrain"): GRU4Rec(**MODEL).fit(second),
        (3, "continue"): GRU4Rec(**MODEL).fit(first).fit(one).fit(two),
        (3, "popularity"): Popularity().fit(third),
    }
    own = {2: (second, two), 3: (third, three)}
    for (number, strategy), model in models.items():
        before, part = own[number]
        ranked = rank_shared(model, part, before["ItemId"].unique())
        row = table[(table["window"] == number) & (table["strategy"] == strategy)].iloc[1]
        expected = measure(ranked.sessions, ranked.ranks, 5).iloc[0]
        assert row[["mrr", "mrr_low", "recall"]].tolist() == pytest.approx(
            expected[["mrr", "mrr_low", "recall"]].tolist(), abs=1e-9
        )
        if strategy != "once":
            other = rank_shared(once, part, before["ItemId"].unique())
            ahead = compare(ranked.sessions, ranked.ranks, other.ranks, 5).iloc[0]
            assert row["mrr_ahead"] == pytest.approx(ahead["mrr_ahead"], abs=1e-9)
        assert row["missed"] == pytest.approx(np.isinf(ranked.ranks).mean())
        assert row["new_events"] == (~part["ItemId"].isin(before["ItemId"])).mean()


def test_before_the_first_window_nothing_has_aged(table):
    first = table[(table["window"] == 1) & table["strategy"].isin(ALL[:3])]
    assert first["mrr"].nunique() == 2  # of two cutoffs
    assert first.loc[first["strategy"] != "once", "mrr_ahead"].eq(0).all()
    later = table[(table["window"] == 3) & (table["k"] == 5)].set_index("strategy")
    assert later.loc["once", "missed"] > 0.1  # the newest items
    assert later.loc[["retrain", "continue"], "missed"].eq(0).all()
    assert later.loc[["retrain", "continue"], "mrr_ahead"].gt(0).all()
    assert later.loc["continue", "training_events"] == len(parts()[1][1])
    assert later.loc["retrain", "training_events"] == len(parts()[2][0])


def test_a_second_run_trains_nothing_and_says_the_same(table, folder, trained):
    pd.testing.assert_frame_equal(run(folder), table)
    assert trained == []


def test_a_run_goes_on_where_another_was_ended(table, folder, trained, tmp_path):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    for path in tmp_path.glob("continue-*"):
        path.unlink()
    again = run(tmp_path)
    assert trained == [len(parts()[0][1]), len(parts()[1][1])]
    timeless = [name for name in table if not name.endswith("seconds")]
    pd.testing.assert_frame_equal(again[timeless], table[timeless])


@pytest.mark.usefixtures("table")
@pytest.mark.parametrize(
    ("changed", "n_new"),
    [
        ({}, 0),
        ({"backtest": {"baselines": ["markov_chain"]}}, 3),
        ({"backtest": {"continue_epochs": 1}}, 2),
        ({"backtest": {"strategies": ["retrain"]}}, 0),
        ({"backtest": {"n_windows": 2}}, 3),  # the first model starts later
        ({"model": {"seed": 3}}, 7),
        ({"model": {"device": "auto"}}, 0),
        ({"backtest": {"train_days": 1.0}}, 10),
        ({"log": LOG.assign(ItemId=LOG["ItemId"] + 1)}, 10),
    ],
    ids=lambda changed: str(changed)[:30] if isinstance(changed, dict) else "",
)
def test_what_was_measured_of_something_else_does_not_count(folder, changed, n_new):
    backtest = BACKTEST.model_copy(update=changed.get("backtest", {}))
    model = MODEL.model_copy(update=changed.get("model", {}))
    options = trials.Options(
        model, TrainingConfig(), EvaluationConfig(), BaselinesConfig(), backtest
    )
    events = ibis.memtable(changed.get("log", LOG))
    found = windows.find_windows(events, backtest)
    planned = trials.plan_trials(folder, events, found, options).values()
    assert len({trial.path for trial in planned if not trial.is_done()}) == n_new


def test_a_trial_of_another_process_is_waited_for(table, folder, monkeypatch, caplog):
    caplog.set_level("INFO")
    path = next(folder.glob("retrain-*.parquet"))
    content = path.read_bytes()
    path.unlink()
    lock = FileLock(path.with_suffix(".lock"))
    held, end = threading.Event(), threading.Event()

    def other():
        with lock:
            held.set()
            assert end.wait(timeout=60)
            path.write_bytes(content)

    process = threading.Thread(target=other)
    process.start()
    assert held.wait(timeout=60)

    def sleep(_):
        end.set()
        process.join()

    monkeypatch.setattr(running.time, "sleep", sleep)
    pd.testing.assert_frame_equal(run(folder), table)
    assert "Waiting for the trials of other processes" in caplog.messages


def test_figures_have_a_line_a_strategy(table):
    by_window, by_age = plot_backtest(table, BACKTEST)
    assert [line.name for line in by_window.data] == list(ALL)
    at_five = table[(table["k"] == 5) & (table["strategy"] == "retrain")]
    assert list(by_window.data[1].y) == at_five["mrr"].tolist()
    assert [line.name for line in by_age.data] == ["retrain", "continue"]
    assert list(by_age.data[0].x) == [0, 1, 2]
    assert list(by_age.data[0].y) == at_five["mrr_ahead"].tolist()


def rows(ahead_retrain, ahead_continue, seconds=(90.0, 10.0), days=7.0):
    gains = {"once": np.nan, "retrain": ahead_retrain, "continue": ahead_continue}
    spent = {"once": 0.0, "retrain": seconds[0], "continue": seconds[1]}
    return pd.DataFrame(
        {
            "window": 2,
            "start": "<b>",
            "end": "",
            "strategy": name,
            "age_days": days if name == "once" else 0.0,
            "sessions": 7,
            "targets": 30,
            "new_events": 0.25,
            "missed": 0.5,
            "training_events": 4,
            "training_seconds": spent[name],
            "k": 5,
            "mrr": 0.2,
            "mrr_low": 0.1,
            "mrr_high": 0.3,
            "mrr_ahead": gain,
            "mrr_ahead_low": gain - 0.005,
            "mrr_ahead_high": gain + 0.005,
            "mrr_p": gain * 0,
            "over": None if name == "once" else "once",
        }
        for name, gain in gains.items()
    )


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        (
            rows(0.021, 0.019),
            "A week after training, retraining gains 0.0210 (0.0160 to 0.0260) in MRR@5 over "
            "leaving the model as it is; continuing gains 0.0190 (0.0140 to 0.0240), and takes a "
            "ninth of the time.",
        ),
        (
            rows(-0.021, 0.019, (10.0, 10.1), 2.5),
            "2.5 days after training, retraining loses 0.0210 (0.0160 to 0.0260) in MRR@5 over "
            "leaving the model as it is; continuing gains 0.0190 (0.0140 to 0.0240), and takes "
            "about as long.",
        ),
        (
            rows(0.021, 0.019, (10.0, 20.0), 1.0).query("strategy != 'retrain'"),
            "A day after training, continuing gains 0.0190 (0.0140 to 0.0240) in MRR@5 over "
            "leaving the model as it is.",
        ),
        (
            rows(np.nan, -0.019, (10.0, 20.0))
            .query("strategy != 'once'")
            .assign(over=[None, "retrain"]),
            "In window 2, continuing loses 0.0190 (0.0140 to 0.0240) in MRR@5 over retraining, "
            "and takes 2.0 times as long.",
        ),
        (
            rows(0.021, np.nan, (30.0, 10.0))
            .query("strategy != 'once'")
            .assign(over=["continue", None]),
            "In window 2, retraining gains 0.0210 (0.0160 to 0.0260) in MRR@5 over continuing.",
        ),
    ],
    ids=["gains", "loses", "alone", "without once", "over continuing"],
)
def test_sentences_say_what_is_gained(table, sentence):
    assert summarise_backtest(table, BACKTEST) == [sentence]


def test_one_strategy_alone_says_nothing(tmp_path):
    alone = rows(0.1, 0.1).query("strategy == 'once'")
    assert summarise_backtest(alone.drop(columns="over"), BACKTEST) == []


def test_the_page_has_sentences_tables_and_options_and_is_escaped():
    table = rows(0.021, 0.019)
    by_window, by_age = plot_backtest(table, BACKTEST)
    page = write_backtest_report(
        table, BACKTEST, MODEL, backtest_figure=by_window, backtest_age_figure=by_age
    )
    assert "A week after training, retraining gains 0.0210" in page
    assert "<td>+0.0160 to +0.0260</td>" in page
    assert "&lt;b&gt;" in page
    assert "<b>" not in page.partition("<h1>")[2]
    assert "<dt>continue_epochs</dt>" in page


def test_windows_are_not_cut_in_times_that_only_order(tmp_path):
    with pytest.raises(ConfigError, match=r"backtest\.window_days counts days.*'ordinal'"):
        run(tmp_path, time_unit="ordinal")
    assert not list(tmp_path.iterdir())
