"""The pipeline `recommendation` as its users run it."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from kedro.framework.session import KedroSession
from kedro.io import DatasetError

from gru4rec import GRU4Rec
from gru4rec_kedro.errors import RunError

OLD, NEW = "2024-01-01T00.00.00.000Z", "2024-01-02T00.00.00.000Z"
PARTS = "data/test/07_model_output/recommendations"


@pytest.fixture(scope="module")
def log(new_project):
    return pd.read_csv(new_project() / "data/01_raw/sample_clicks.csv")


@pytest.fixture(scope="module")
def models(log):
    options = {"layers": [8], "n_epochs": 1, "n_sample": 32, "device": "cpu"}
    return {
        version: GRU4Rec(**options, seed=seed).fit(log.head(5000), compatibility_mode=False)
        for seed, version in enumerate((OLD, NEW))
    }


@pytest.fixture(scope="module")
def project(new_project, models):
    path = new_project()
    for version, gru in models.items():
        folder = path / "data/test/06_models/gru4rec.pth" / version
        folder.mkdir(parents=True)
        gru.save(folder / "gru4rec.pth")
    return path


@pytest.fixture(scope="module")
def recommend(project, run):
    """Runs the pipeline and returns what it wrote, by session."""

    def run_pipeline(load_versions=None, **params):
        run(project, params, pipeline_names=["recommendation"], load_versions=load_versions)
        return pd.read_parquet(project / PARTS)

    return run_pipeline


def expected(gru, log, **options):
    """What the library says about each session of a log, in the types of the pipeline."""
    known = log[log["ItemId"].isin(gru.vocabulary.ids)].sort_values(["SessionId", "Time"])
    items = known.groupby("SessionId")["ItemId"].agg(list)
    sessions = {session: items.get(session, []) for session in sorted(log["SessionId"].unique())}
    return gru.recommend(sessions, **options).astype({"rank": "int32"})


def assert_same(frame, other):
    pd.testing.assert_frame_equal(frame, other, check_dtype=False, rtol=0, atol=1e-5)


def written(project):
    """What is there under its final name; a killed run's temporary part stays for a day."""
    found = (path for path in (project / PARTS).glob("*") if path.name[0] != ".")
    return {path.name: path.stat().st_mtime_ns for path in found}


def test_every_session_of_the_log_is_answered_by_the_newest_model(recommend, models, log):
    found = recommend()
    assert found.dtypes.astype(str).tolist() == ["int64", "int32", "int64", "float32"]
    assert_same(found, expected(models[NEW], log, k=20))


def test_a_chosen_version_k_seen_items_and_candidates(recommend, models, log, tmp_path):
    few = log.head(600)
    few.to_parquet(tmp_path / "few.parquet")
    allowed = models[OLD].vocabulary.ids[::7].tolist()
    (tmp_path / "allowed.txt").write_text("".join(f"{item}\n" for item in [*allowed, 1]))
    found = recommend(
        load_versions={"model": OLD},
        sessions=str(tmp_path / "few.parquet"),
        candidates=str(tmp_path / "allowed.txt"),
        recommendation={"k": 7, "exclude_seen": True},
    )
    options = {"k": 7, "exclude_seen": True, "candidates": allowed}
    assert_same(found, expected(models[OLD], few, **options))
    assert not found["item"].equals(expected(models[NEW], few, **options)["item"])


def test_unsorted_csv_files_with_text_sessions_and_milliseconds(recommend, models, log, tmp_path):
    few = log.head(600).sample(frac=1, random_state=1)
    few["SessionId"] = "s" + few["SessionId"].astype(str)
    raw = few.rename(columns={"SessionId": "visit", "ItemId": "sku", "Time": "ts"})
    raw["ts"] *= 1000
    # a session may be spread over files
    raw.iloc[:250].to_csv(tmp_path / "1.csv", index=False)
    raw.iloc[250:].to_csv(tmp_path / "2.csv", index=False)
    found = recommend(
        sessions=str(tmp_path),
        data={"session_key": "visit", "item_key": "sku", "time_key": "ts"},
        loading={"time_unit": "ms"},
        recommendation={"sessions_per_part": 10},
    )
    assert_same(found, expected(models[NEW], few, k=20))


def test_a_session_without_a_known_item_gets_what_is_popular(
    recommend, models, log, tmp_path, caplog
):
    few = log.head(50).copy()
    few["ItemId"] = -few["ItemId"]
    few.to_parquet(tmp_path / "unknown.parquet")
    found = recommend(sessions=str(tmp_path / "unknown.parquet"), recommendation={"k": 3})
    popular = models[NEW].recommend([[]], k=3)["item"].tolist()
    assert found["item"].tolist() == popular * few["SessionId"].nunique()
    assert "50 of 50 events are on items that the model does not know" in caplog.text


def test_a_killed_run_goes_on_where_it_was(project, recommend, models, log, environment):
    # so many parts that there is time to kill it
    options = {"recommendation": {"k": 2, "sessions_per_part": 20}}
    arguments = "recommendation.k=2,recommendation.sessions_per_part=20"
    command = ["run", "--pipelines", "recommendation", "--params", arguments]
    process = subprocess.Popen(
        [sys.executable, "-m", "kedro", *command], cwd=project, env=environment
    )
    while process.poll() is None and not (project / PARTS / "part-00009.parquet").exists():
        time.sleep(0.001)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = written(project)
    # the part that was being written is left under a hidden name, if there was one, and goes
    # after a day
    left = project / PARTS / ".part-00010.parquet.left"
    left.touch()
    os.utime(left, (time.time() - 25 * 60 * 60,) * 2)
    assert "_SUCCESS" not in done
    with KedroSession.create(project, env="test") as session:
        catalog = session.load_context().catalog
        with pytest.raises(DatasetError, match="is not complete; run the pipeline"):
            catalog.load("recommendations")

    found = recommend(**options)

    assert_same(found, expected(models[NEW], log, k=2))
    assert not left.exists()
    now = written(project)
    n_parts = -(-log["SessionId"].nunique() // 20)
    assert sorted(now) == ["_SUCCESS", *(f"part-{number:05d}.parquet" for number in range(n_parts))]
    assert {name for name in done if now[name] == done[name]} == set(done)


def test_a_rerun_makes_only_what_changed(project, recommend, models, log, tmp_path, caplog):
    few = log[log["SessionId"] <= 50]
    few.to_parquet(tmp_path / "few.parquet")
    options = {"sessions": str(tmp_path / "few.parquet")}
    by_ten = {"sessions_per_part": 10, "k": 3}
    recommend(**options, recommendation=by_ten)
    before = written(project)
    assert len(before) == 6

    def changed(**changes):
        recommend(**options, **{"recommendation": by_ten} | changes)
        return [name for name, t in sorted(written(project).items()) if before.get(name) != t]

    assert changed() == ["_SUCCESS"]
    assert "Up to 3 items for each of 50 sessions" in caplog.text
    assert "5 part(s) (5 were there): data/test/07_model_output/recommendations" in caplog.text
    few[few.index != few.index[few["SessionId"] == 25][0]].to_parquet(tmp_path / "few.parquet")
    assert changed() == ["_SUCCESS", "part-00002.parquet"]
    assert len(changed(load_versions={"model": OLD})) == 6
    before = written(project)
    assert len(changed(recommendation={**by_ten, "exclude_seen": True})) == 6
    few[few["SessionId"] <= 20].to_parquet(tmp_path / "few.parquet")
    recommend(**options, recommendation=by_ten)
    assert sorted(written(project)) == ["_SUCCESS", "part-00000.parquet", "part-00001.parquet"]


@pytest.mark.parametrize(
    ("content", "params", "message"),
    [
        ("SessionId,ItemId,Time\n", {}, "The log is empty"),
        ("visit,ItemId,Time\n1,2,1600000000\n", {}, "lacks the column 'SessionId'"),
        ("SessionId,ItemId,Time\n1,x,1600000000\n", {}, "by integers, but text were given"),
        ("SessionId,ItemId,Time\n1,2,1600000000\n", {"candidates": "none.txt"}, "No file is at"),
        ("SessionId,ItemId,Time\n1,2,1600000000\n", {"candidates": "-"}, "none of the 1 candidat"),
        ("SessionId,ItemId,Time\n1,2,1600000000\n", {"recommendation": {"k": 0}}, "greater than"),
    ],
    ids=["empty", "column", "kind of ids", "no candidates file", "unknown candidates", "k"],
)
def test_mistakes_are_one_message_and_leave_what_was_there(
    project, recommend, tmp_path, content, params, message
):
    (tmp_path / "sessions.csv").write_text(content)
    (tmp_path / "unknown.txt").write_text("-5\n")
    if params.get("candidates") == "-":
        params = {"candidates": str(tmp_path / "unknown.txt")}
    before = written(project)
    with pytest.raises(RunError, match=message):
        recommend(sessions=str(tmp_path / "sessions.csv"), **params)
    assert written(project) == before


def test_text_items_that_look_like_integers(new_project, run, log, models):
    project = new_project()
    folder = project / "data/test/06_models/gru4rec.pth" / OLD
    folder.mkdir(parents=True)
    text = log.head(5000).astype({"ItemId": str})
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=32, device="cpu").fit(text)
    gru.save(folder / "gru4rec.pth")
    few = log.head(100)
    few.to_csv(project / "few.csv", index=False)
    few.head(40)[["ItemId"]].to_csv(project / "allowed.csv", index=False)
    run(
        project,
        {"sessions": "few.csv", "candidates": "allowed.csv"},
        pipeline_names=["recommendation"],
    )
    found = pd.read_parquet(project / PARTS)
    allowed = text.head(40)["ItemId"]
    assert_same(found, expected(gru, text.head(100), k=20, candidates=allowed))


def test_other_runs_leave_it_out(project, run):
    with KedroSession.create(project, env="test") as session:
        session.load_context()
    from kedro.framework.project import pipelines

    names = {node.name for node in pipelines["__default__"].nodes}
    assert "recommend_items" not in names
    assert {node.name for node in pipelines["recommendation"].nodes} == {"recommend_items"}
