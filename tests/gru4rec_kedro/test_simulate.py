"""The simulated log: reproducible, learnable, written whole or not at all."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gru4rec_kedro import simulate

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "data" / "01_raw" / "sample_clicks.csv"

# More than one block, and a last one that is not full.
N_SESSIONS = simulate.BLOCK_SESSIONS + 1234
N_ITEMS = 300


def _rng(seed=7):
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def log():
    return simulate.simulate_sessions(N_SESSIONS, N_ITEMS, _rng())


@pytest.fixture(scope="module")
def sample():
    return pd.read_csv(SAMPLE)


def _write(path, seed=7, **options):
    simulate.write_log(path, N_SESSIONS, N_ITEMS, _rng(seed), **options)
    return path


def test_same_seed_same_log_and_another_seed_another(log):
    pd.testing.assert_frame_equal(log, simulate.simulate_sessions(N_SESSIONS, N_ITEMS, _rng()))
    assert not log.equals(simulate.simulate_sessions(N_SESSIONS, N_ITEMS, _rng(8)))


def test_the_global_random_state_is_neither_read_nor_set(log):
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    simulate.simulate_sessions(10, N_ITEMS, _rng())
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("chunk_sessions", [1, simulate.BLOCK_SESSIONS + 1, 10 * N_SESSIONS])
def test_chunk_size_changes_nothing(tmp_path, log, chunk_sessions):
    path = _write(tmp_path / "log.csv", chunk_sessions=chunk_sessions)
    pd.testing.assert_frame_equal(pd.read_csv(path), log)


def test_parquet_equals_csv(tmp_path):
    csv, parquet = _write(tmp_path / "log.csv"), _write(tmp_path / "log.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(csv), pd.read_parquet(parquet))


def test_counts_order_and_types(log):
    assert list(log.columns) == ["SessionId", "ItemId", "Time"]
    assert (log.dtypes == "int64").all()
    assert sorted(log["SessionId"].unique()) == list(range(1, N_SESSIONS + 1))
    assert log["ItemId"].nunique() == N_ITEMS
    pd.testing.assert_frame_equal(
        log, log.sort_values(["SessionId", "Time"], kind="stable"), check_index_type=False
    )


def test_session_lengths(log):
    lengths = log.groupby("SessionId").size()
    assert lengths.min() == 2
    assert lengths.mean() == pytest.approx(simulate.MEAN_LENGTH, rel=0.03)
    # 1 + geometric: each further click is as likely as the one before.
    go_on = 1 - 1 / (simulate.MEAN_LENGTH - 1)
    assert (lengths > 3).sum() / (lengths > 2).sum() == pytest.approx(go_on, abs=0.03)


def test_sessions_start_in_order_over_the_month_with_a_daily_rhythm(log):
    starts = log.groupby("SessionId")["Time"].min() - simulate.FIRST_SECOND
    assert starts.is_monotonic_increasing
    assert starts.min() >= 0
    assert starts.max() < simulate.DAYS * 86_400
    by_hour = (starts % 86_400 // 3600).value_counts()
    assert by_hour[simulate.BUSIEST_HOUR] > 5 * by_hour[(simulate.BUSIEST_HOUR + 12) % 24]
    by_day = (starts // 86_400).value_counts()
    assert by_day.max() / by_day.min() < 1.1


def test_popularity_is_zipf_like_and_ids_do_not_tell_it(sample):
    counts = sample["ItemId"].value_counts()
    top_decile = counts.head(len(counts) // 10).sum() / len(sample)
    assert top_decile == pytest.approx(0.35, abs=0.05)
    slope = np.polyfit(np.log(np.arange(1, 251)), np.log(counts.head(250)), 1)[0]
    assert slope == pytest.approx(-simulate.POPULARITY_EXPONENT, abs=0.15)
    assert abs(counts.reset_index()["ItemId"].corr(pd.Series(range(len(counts))))) < 0.1
    assert counts.index.max() - counts.index.min() > 3 * len(counts)


def test_a_few_clicks_repeat_the_last_one(sample):
    repeats = (sample == sample.shift())[["SessionId", "ItemId"]].all(axis=1)
    assert 0.01 < repeats.mean() < 0.08


def _recall_at_20(scores, target):
    """Share of rows whose target has fewer than 20 items scored higher."""
    own = np.take_along_axis(scores, target[:, None], axis=1)
    return np.mean((scores > own).sum(axis=1) < 20)


def _cooccurrence(pairs, n_items):
    counts = np.zeros((n_items, n_items))
    np.add.at(counts, (pairs[:, 0], pairs[:, 1]), 1)
    return counts


def test_the_next_item_depends_on_more_than_the_last_one(sample):
    """Two clicks back carries what the last click does not: no knowledge of the generator used."""
    item = pd.factorize(sample["ItemId"])[0]
    session = sample["SessionId"].to_numpy()
    n_items = item.max() + 1
    windows = np.column_stack([item[:-2], item[1:-1], item[2:]])[session[2:] == session[:-2]]
    test_rows = session[2:][session[2:] == session[:-2]] > 0.9 * session.max()
    train, test = windows[~test_rows], windows[test_rows]

    popularity = np.bincount(item, minlength=n_items) / len(item)
    last = _cooccurrence(train[:, 1:], n_items)[test[:, 1]]
    before = _cooccurrence(train[:, [0, 2]], n_items)[test[:, 0]]
    target = test[:, 2]
    by_popularity = _recall_at_20(np.tile(popularity, (len(test), 1)), target)
    by_last = _recall_at_20(last + popularity, target)
    # Naive Bayes over the two clicks: P(i | a) · P(i | b) / P(i), counts smoothed by popularity.
    prior = 20 * popularity
    by_both = _recall_at_20(np.log(last + prior) + np.log(before + prior) - np.log(prior), target)
    assert by_last > 1.3 * by_popularity
    assert by_both > 1.1 * by_last


def test_items_of_a_topic_are_drawn_from_it_alone():
    catalogue = simulate.draw_catalogue(N_ITEMS, _rng())
    ends = np.searchsorted(catalogue.cumulative, np.arange(1, catalogue.n_topics + 1))
    assert catalogue.n_topics == N_ITEMS * simulate.TOPICS_PER_ITEM / simulate.ITEMS_PER_TOPIC
    assert np.diff(ends) == pytest.approx(simulate.ITEMS_PER_TOPIC, abs=simulate.TOPICS_PER_ITEM)
    # The ends are exact, so no draw u in [0, 1) from topic t can leave it.
    assert catalogue.cumulative[ends].tolist() == list(range(1, catalogue.n_topics + 1))
    assert (np.bincount(catalogue.members) == simulate.TOPICS_PER_ITEM + 1).all()
    assert (np.diff(catalogue.cumulative) > 0).all()


def test_the_smallest_logs_work():
    assert simulate.simulate_sessions(1, 2, _rng())["SessionId"].unique().tolist() == [1]


def test_the_shipped_sample_is_what_the_documented_command_writes(tmp_path, monkeypatch):
    command = simulate.__doc__.split("python -m gru4rec_kedro.simulate ")[1].split("\n\n")[0]
    arguments = command.replace("\\\n", " ").split()
    monkeypatch.chdir(tmp_path)
    simulate.main(arguments)
    written = Path(arguments[arguments.index("--output") + 1])
    assert ROOT / written == SAMPLE
    assert written.read_bytes() == SAMPLE.read_bytes()
    assert SAMPLE.stat().st_size <= 2_000_000


def test_the_command_says_what_it_wrote(tmp_path):
    output = tmp_path / "new" / "log.csv"
    command = [sys.executable, "-m", "gru4rec_kedro.simulate", "--sessions", "10", "--items", "20"]
    done = subprocess.run(
        [*command, "--output", str(output)], check=True, capture_output=True, text=True
    )
    n_clicks = len(pd.read_csv(output))
    assert done.stdout == f"{output}: {n_clicks} clicks in 10 sessions\n"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--sessions", "0", "argument --sessions: '0': give a whole number, 1 or more"),
        ("--sessions", "1e6", "argument --sessions: '1e6': give a whole number, 1 or more"),
        ("--items", "1", "argument --items: '1': give a whole number, 2 or more"),
        ("--seed", "-1", "argument --seed: '-1': give a whole number, 0 or more"),
        ("--chunk-sessions", "0", "argument --chunk-sessions: '0': give a whole number, 1 or more"),
        ("--output", "log.txt", "argument --output: 'log.txt': give a name ending in .csv or .par"),
    ],
)
def test_bad_arguments_are_refused_by_name(tmp_path, monkeypatch, capsys, option, value, message):
    monkeypatch.chdir(tmp_path)
    good = {"--sessions": "10", "--items": "20", "--output": "log.csv"}
    arguments = [text for pair in ({**good, option: value}).items() for text in pair]
    with pytest.raises(SystemExit) as exit_info:
        simulate.main(arguments)
    assert exit_info.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_refused(tmp_path, capsys):
    (tmp_path / "file").touch()
    output = tmp_path / "file" / "log.csv"
    with pytest.raises(SystemExit):
        simulate.main(["--sessions", "10", "--items", "20", "--output", str(output)])
    assert f"argument --output: cannot write {output}: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_sessions": 0}, "n_sessions is 0: give 1 or more"),
        ({"n_items": 1}, "n_items is 1: give 2 or more"),
        ({"chunk_sessions": 0}, "chunk_sessions is 0: give 1 or more"),
        ({"path": Path("log.tsv")}, r"log.tsv ends in '.tsv': give a name ending in .csv or"),
    ],
)
def test_write_log_refuses_what_cannot_work(tmp_path, monkeypatch, change, message):
    monkeypatch.chdir(tmp_path)
    good = {"path": Path("log.csv"), "n_sessions": 10, "n_items": 20, "rng": _rng()}
    with pytest.raises(ValueError, match=message):
        simulate.write_log(**{**good, **change})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_failure_half_way_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, suffix):
    path = tmp_path / f"log{suffix}"
    path.write_text("old")
    draw_sessions = simulate.draw_sessions

    def fail_in_the_second_block(catalogue, first, *rest):
        if first:
            raise KeyboardInterrupt
        return draw_sessions(catalogue, first, *rest)

    monkeypatch.setattr(simulate, "draw_sessions", fail_in_the_second_block)
    with pytest.raises(KeyboardInterrupt):
        _write(path, chunk_sessions=1)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() == "old"
