"""The project as its users run it."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.runner import SequentialRunner, ThreadRunner
from tests.object_store import SECRET

from gru4rec import GRU4Rec, GRU4RecError
from gru4rec_kedro.errors import RunError

PART = "part-00000.parquet"


@pytest.fixture(scope="module")
def finished(new_project, run):
    project = new_project()
    run(project)
    return project


def newest(folder: Path) -> Path:
    return max(folder.glob("*/*"))


def files(project: Path) -> dict[str, int]:
    return {
        str(path.relative_to(project)): path.stat().st_mtime_ns
        for path in (project / "data/test").rglob("*")
        if path.is_file()
    }


def version_less(name: str) -> str:
    return re.sub(r"/\d{4}-[^/]*/[^/]*$", "", name)


def test_run_writes_every_catalog_entry_and_nothing_else(finished):
    written = {version_less(name) for name in files(finished)}
    assert written == {
        f"data/test/{name}"
        for name in (
            ".runs/lock",  # which keeps other runs out
            "02_intermediate/events.parquet",
            "03_primary/filtered_events.parquet",
            "05_model_input/train.parquet",
            "05_model_input/valid.parquet",
            "05_model_input/test.parquet",
            "05_model_input/train_full.parquet",
            "05_model_input/data_origin.json",
            "06_models/gru4rec.pth",
            "06_models/checkpoint.pth",
            "06_models/training_history.csv",
            "07_model_output/ranked_events.parquet",
            "07_model_output/item_statistics.parquet",
            "07_model_output/example_sessions.json",
            "08_reporting/metrics.json",
            "02_intermediate/log_counts.csv",
            "03_primary/filter_report.csv",
            "08_reporting/data_quality.csv",
            "08_reporting/split_statistics.csv",
            "08_reporting/session_lengths.json",
            "08_reporting/item_popularity.json",
            "08_reporting/training.json",
            "08_reporting/metrics_by_cutoff.json",
            "08_reporting/breakdowns.csv",
            "07_model_output/baseline_ranks.parquet",
            "08_reporting/baseline_metrics.csv",
            "08_reporting/baseline_comparison.csv",
            "08_reporting/baselines.json",
            "08_reporting/metrics_by_position.json",
            "08_reporting/metrics_by_session_length.json",
            "08_reporting/metrics_by_item_popularity.json",
            "08_reporting/recommended_popularity.json",
            "08_reporting/origins.json",
            "08_reporting/report.html",
        )
    }
    beside_outputs = {path.name for path in finished.iterdir()} - {".viz"}
    assert beside_outputs == {"conf", "data", "notebooks", "pyproject.toml", "src"}


def test_metrics_fit_the_ranks(finished):
    metrics = json.loads(newest(finished / "data/test/08_reporting/metrics.json").read_text())
    ranked = pd.read_parquet(finished / "data/test/07_model_output/ranked_events.parquet")
    assert metrics["targets"] == len(ranked)
    assert metrics["recall@20"] == (ranked["rank"] <= 20).mean()
    assert metrics["mrr@5"] == (1 / ranked["rank"]).where(ranked["rank"] <= 5, 0).mean()
    assert metrics["tied_targets"] == (ranked["ties"] > 0).sum()
    assert metrics["recall_low@20"] < metrics["recall@20"] < metrics["recall_high@20"]
    breakdowns = pd.read_csv(finished / "data/test/08_reporting/breakdowns.csv")
    for _, groups in breakdowns.groupby("by"):
        assert groups["targets"].sum() == len(ranked)
        hits = (groups["recall"] * groups["targets"]).sum()
        assert hits / len(ranked) == pytest.approx(metrics["recall@20"])


def test_an_earlier_model_says_itself_what_it_was_trained_on(new_project, run):
    project = new_project()
    options = {"train_on": "train", "evaluate_on": "valid"}
    run(project, {"experiment": options})
    run(project, from_nodes=["evaluate_model"])  # with the parameters of the files
    metrics = json.loads(newest(project / "data/test/08_reporting/metrics.json").read_text())
    trained = pd.read_parquet(project / "data/test/05_model_input/train.parquet")
    assert metrics["evaluated_on"] == "test"
    assert metrics["trained_on"] == "train"
    assert metrics["training_events"] == len(trained)
    assert metrics["training_sessions"] == trained["SessionId"].nunique()
    page = (project / "data/test/08_reporting/report.html").read_text()
    assert f"train: {len(trained):,} events in" in page
    ends = [pd.Timestamp(trained["Time"].agg(of), unit="s") for of in ("min", "max")]
    assert "{} UTC to {} UTC".format(*ends) in page
    assert page.count("(this one)") == 1


def test_parts_are_cut_in_time_and_add_up(finished):
    parts = {
        name: pd.read_parquet(finished / f"data/test/05_model_input/{name}.parquet")
        for name in ("train", "valid", "test", "train_full")
    }
    assert parts["train_full"]["Time"].max() < parts["test"]["Time"].min()
    assert parts["train"]["Time"].max() < parts["valid"]["Time"].min()
    statistics = pd.read_csv(finished / "data/test/08_reporting/split_statistics.csv")
    assert statistics.set_index("part")["events"].to_dict() == {n: len(p) for n, p in parts.items()}


def test_report_is_one_page_that_needs_no_network(finished):
    page = (finished / "data/test/08_reporting/report.html").read_text()
    metrics = json.loads(newest(finished / "data/test/08_reporting/metrics.json").read_text())
    assert f"{metrics['recall@20']:.4f}" in page
    assert page.count('class="plotly-graph-div"') == 9
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)


def test_model_of_the_catalog_recommends(finished):
    gru = GRU4Rec.load(newest(finished / "data/test/06_models/gru4rec.pth"))
    assert len(gru.recommend([gru.vocabulary.ids[:2].tolist()], k=3)) == 3


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"pipeline_names": ["data_engineering"]}, {"02", "03", "05", "08"}),
        ({"pipeline_names": ["modelling"]}, {"06", "07", "08"}),
        ({"tags": ["reporting"]}, {"08"}),
        ({"from_nodes": ["evaluate_model"]}, {"07", "08"}),
        ({"only_missing_outputs": True}, set()),
        ({"runner": SequentialRunner(is_async=True)}, {"02", "03", "05", "06", "07", "08"}),
        ({"runner": ThreadRunner()}, {"02", "03", "05", "06", "07", "08"}),
    ],
    ids=["data_engineering", "modelling", "tags", "from_nodes", "only_missing", "async", "threads"],
)
def test_parts_of_the_run(finished, run, options, expected):
    before = files(finished)
    run(finished, **options)
    changed = {name for name, time in files(finished).items() if before.get(name) != time}
    assert {Path(name).parts[2][:2] for name in changed} == expected


def test_where_nothing_ran_there_are_no_results_to_show(finished, run, caplog):
    with caplog.at_level("INFO", logger="gru4rec_kedro"):
        run(finished, only_missing_outputs=True)
    assert [said for said in caplog.messages if said.startswith(("Results", "Report"))] == []


def test_only_missing_outputs_makes_what_is_missing(finished, run):
    report = finished / "data/test/08_reporting/report.html"
    report.unlink()
    before = files(finished)
    run(finished, only_missing_outputs=True)
    assert report.exists()
    changed = {name for name, time in files(finished).items() if before.get(name) != time}
    assert all("05_model_input" not in name and "06_models" not in name for name in changed)


def test_your_own_log(new_project, run, tmp_path):
    project = new_project()
    log = pd.read_csv(project / "data/01_raw/sample_clicks.csv").head(6000)
    half = len(log) // 2
    for number, part in enumerate((log.iloc[half:], log.iloc[:half])):
        renamed = part.rename(columns={"SessionId": "who", "ItemId": "what", "Time": "when"})
        renamed["when"] = renamed["when"] * 1000
        renamed["what"] = "item-" + renamed["what"].astype(str)
        renamed.to_parquet(tmp_path / f"part{number}.parquet")
    params = {
        "events": str(tmp_path / "part*.parquet"),
        "data": {"session_key": "who", "item_key": "what", "time_key": "when"},
        "loading": {"time_unit": "ms"},
    }
    run(project, params)
    events = pd.read_parquet(project / "data/test/02_intermediate/events.parquet")
    assert len(events) == len(log)
    assert events["ItemId"].str.startswith("item-").all()
    assert set(events["Time"]) == set(log["Time"])
    gru = GRU4Rec.load(newest(project / "data/test/06_models/gru4rec.pth"))
    assert gru.vocabulary.holds_text


def test_validation_curve_and_part_to_train_on_are_parameters(finished, run):
    options = {"train_on": "train", "evaluate_on": "valid", "valid_each_epoch": True}
    run(finished, {"experiment": options}, pipeline_names=["modelling"])
    history = pd.read_csv(finished / "data/test/06_models/training_history.csv")
    metrics = json.loads(newest(finished / "data/test/08_reporting/metrics.json").read_text())
    assert metrics["trained_on"] == "train"
    assert history["recall@20"].iloc[-1] == pytest.approx(metrics["recall@20"], abs=1e-3)


def test_refuses_wrong_parameters_all_at_once(finished, run):
    before = files(finished)
    params = {"event": "x.csv", "modle": {"layers": [3]}, "model": {"loss": "bpr", "lr": 1}}
    with pytest.raises(RunError) as caught:
        run(finished, params)
    message = str(caught.value)
    assert "event: unknown option; did you mean 'events'?" in message
    assert "modle: unknown option; did you mean 'model'?" in message
    assert "model.loss" in message
    assert "model.lr: unknown option" in message
    assert files(finished) == before


def test_refuses_to_validate_on_what_it_trains_on(finished, run):
    with pytest.raises(RunError, match="train_full contains the validation part"):
        run(finished, {"experiment": {"evaluate_on": "valid"}})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n", "SessionId"),
        ("SessionId,ItemId,Time\n", "no events|empty"),
        ("SessionId,ItemId,Time\n1,1,1600000000\n1,2,1600000001\n", "(?i)left"),
    ],
    ids=["missing column", "empty", "nothing left"],
)
def test_bad_log_is_one_message_and_writes_nothing(finished, run, tmp_path, content, message):
    log = tmp_path / "log.csv"
    log.write_text(content)
    before = {n: t for n, t in files(finished).items() if "02_intermediate" not in n}
    with pytest.raises(GRU4RecError, match=message):
        run(finished, {"events": str(log)})
    assert {n: t for n, t in files(finished).items() if "02_intermediate" not in n} == before


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"data_split": {"test_fraction": 0}}, "leaves no test part"),
        (
            {
                "data_split": {"valid_fraction": 0},
                "experiment": {"train_on": "train", "evaluate_on": "valid"},
            },
            "leaves no validation part",
        ),
        ({"model": {"device": "cuda:99"}}, "device is 'cuda:99', but torch sees"),
        (
            {"experiment": {"continue_from": "old.pth"}},
            "experiment.continue_from: there is no model file old.pth",
        ),
        (
            {"experiment": {"continue_from": "memory:///old.pth"}},
            "experiment.continue_from: there is no model file memory://old.pth",
        ),
        (
            {"events": "https://me:secret@shop/log.csv"},
            r"events: https://…@shop/log.csv has a login, [^(]*$",
        ),
    ],
    ids=[
        "no test",
        "no valid",
        "no such device",
        "no earlier model",
        "a model elsewhere",
        "a log elsewhere",
    ],
)
def test_what_cannot_end_well_is_refused_before_it_begins(finished, run, params, message):
    before = files(finished)
    with pytest.raises(RunError, match=message):
        run(finished, params)
    assert files(finished) == before


def test_a_run_in_a_bucket_is_the_same_and_tells_no_secret(
    finished, new_project, kedro, object_store, environment, tmp_path, monkeypatch
):
    monkeypatch.setitem(environment, "XDG_CACHE_HOME", str(tmp_path))
    project = new_project()
    before = files(project)
    options = yaml.safe_dump({"s3": object_store.options})
    (project / "conf/test/credentials.yml").write_text(options)
    logging = project / "conf/logging.yml"
    kept = logging.read_text()
    logging.write_text(kept.replace("  kedro:\n    level: INFO", "  kedro:\n    level: DEBUG"))
    log = object_store.path("runs/01_raw/clicks.csv")
    log.write_bytes((project / "data/01_raw/sample_clicks.csv").read_bytes())

    ran = kedro(project, "run", "--params", f"events={log},outputs=s3://shop/runs")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    recommend = f"sessions={log},outputs=s3://shop/runs"
    made = kedro(project, "run", "--pipelines", "recommendation", "--params", recommend)
    assert made.returncode == 0, made.stdout + made.stderr

    wanted = {version_less(name).removeprefix("data/test/") for name in files(finished)}
    wanted -= {".runs/lock"}
    wanted |= {f"07_model_output/recommendations/{name}" for name in ("_SUCCESS", PART)}
    found = {version_less(name) for name in object_store.names("runs")}
    assert found == wanted | {"01_raw/clicks.csv"}
    assert files(project) == before
    store = object_store.path("runs/08_reporting")
    metrics = json.loads(next(store.glob("metrics.json/*/metrics.json")).read_text())
    # the first run's: tests before this one have run parts of it with other options
    first = min((finished / "data/test/08_reporting/metrics.json").glob("*/*"))
    local = json.loads(first.read_text())
    assert metrics.keys() == local.keys()
    assert {name: metrics[name] for name in metrics if "@" in name} == {
        name: local[name] for name in local if "@" in name
    }
    said = "".join((ran.stdout, ran.stderr, made.stdout, made.stderr))
    assert "DEBUG" in said
    assert SECRET not in said
    for name in object_store.names("runs"):
        assert SECRET.encode() not in object_store.path(f"runs/{name}").read_bytes()


@pytest.mark.parametrize("address", ["https://shop/gru4rec", "dbfs:/gru4rec"])
def test_outputs_where_nothing_is_written_are_refused_before_anything_runs(
    new_project, run, address
):
    project = new_project()
    (project / "conf/test/globals.yml").write_text(f"outputs: {address}\n")
    before = files(project)
    with pytest.raises(RunError, match=f"globals.yml has 1 mistake.*\n  outputs: {address}: files"):
        run(project)
    assert files(project) == before


def test_an_entry_elsewhere_is_refused_before_anything_runs(new_project, run):
    project = new_project()
    entry = "{type: gru4rec_kedro.datasets.TextDataset, filepath: nostore://report.html}"
    (project / "conf/test/catalog.yml").write_text(f"report: {entry}\n")
    before = files(project)
    with pytest.raises(RunError, match=r"catalog.yml: \s*nostore://report.html: fsspec knows no"):
        run(project)
    assert files(project) == before


def test_missing_files_are_named(new_project, run):
    project = new_project()
    with pytest.raises(RunError, match=r"no .*train\.parquet; run the pipeline that makes it"):
        run(project, pipeline_names=["modelling"])
    run(project, pipeline_names=["data_engineering"])
    with pytest.raises(RunError, match=r"no .*gru4rec\.pth; run the pipeline that makes it"):
        run(project, from_nodes=["evaluate_model"])


def test_broken_configuration_is_one_message(new_project, kedro):
    project = new_project()
    (project / "conf/test/parameters.yml").write_text("model: [")
    bad = kedro(project, "run")
    assert bad.returncode == 1
    assert "parameters.yml" in bad.stdout + bad.stderr
    assert "Traceback" not in bad.stdout + bad.stderr


def test_missing_log(finished, run):
    with pytest.raises(GRU4RecError, match=r"nowhere\.csv"):
        run(finished, {"events": "nowhere.csv"})


def test_command_line_shows_results_and_mistakes_without_traceback(finished, kedro):
    good = kedro(finished, "run", "--pipelines", "modelling")
    assert good.returncode == 0, good.stderr
    assert re.search(r"k +recall@k +95 % interval +MRR@k", good.stdout + good.stderr)
    assert "Report: data/test/08_reporting/report.html" in good.stdout + good.stderr
    lines = (good.stdout + good.stderr).splitlines()
    assert all(len(line) <= 80 or " " not in line.strip() for line in lines)
    bad = kedro(finished, "run", "--params", "event=log.csv")
    assert bad.returncode == 1
    assert "did you mean 'events'?" in bad.stdout + bad.stderr
    assert "Traceback" not in bad.stdout + bad.stderr
    bad = kedro(finished, "run", "--params", "data.item_key=nope")
    assert bad.returncode == 1
    assert "Traceback" not in bad.stdout + bad.stderr
    assert (bad.stdout + bad.stderr).count("lacks the column 'nope'") == 1


def test_unwritable_catalog_path_is_named(new_project, run):
    project = new_project()
    (project / "data/test").write_text("a file where a folder is needed")
    with pytest.raises(RunError, match=r"cannot write .*02_intermediate.*check the path"):
        run(project)


def test_session_is_kedros_own(finished, in_folder):
    in_folder(finished)
    with KedroSession.create(finished, env="test") as session:
        catalog = session.load_context().catalog
    assert catalog.load("train").to_pandas().columns.tolist() == ["SessionId", "ItemId", "Time"]


def test_a_report_of_two_logs_says_so_on_the_console_and_at_its_top(finished, run, kedro, tmp_path):
    run(finished)
    kept = json.loads((finished / "data/test/08_reporting/origins.json").read_text())
    assert kept["mixed"] == kept["options"] == []
    assert kept["log"] == "data/01_raw/sample_clicks.csv"
    log = pd.read_csv(finished / "data/01_raw/sample_clicks.csv")
    log.head(len(log) // 2).to_csv(tmp_path / "half.csv", index=False)
    changes = {"events": str(tmp_path / "half.csv"), "loading": {"session_gap": 3600}}
    quality = finished / "data/test/08_reporting/data_quality.csv"
    of_the_whole = quality.read_text()
    run(finished, changes, pipeline_names=["data_engineering"])
    quality.write_text(of_the_whole)  # as after a run of some of the nodes

    done = kedro(finished, "run", "--namespaces", "reporting")

    assert done.returncode == 0, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "The model: learnt from other events than the part train_full has now" in said
    assert "The metrics: measured on other events than the part test has now" in said
    assert "What was dropped from the log, and why: of other parts than there are now" in said
    assert "Results NOT OF ONE MAKING" in said
    page = (finished / "data/test/08_reporting/report.html").read_text()
    header = page.partition('<div class="headline">')[0].partition("<h1>")[2]
    assert "The model: learnt from other events than the part train_full has now" in header
    half, whole = tmp_path / "half.csv", "data/01_raw/sample_clicks.csv"
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", header.partition("<tbody>")[2])
    assert cells[:5] == ["log", str(half), whole, whole, "–"]
    row = '<th scope="row">loading.session_gap</th><td>3600.0</td>'
    assert f"{row}<td>null</td><td>null</td><td>null</td>" in header
    assert "<dt>loading.session_gap</dt><dd>3600.0</dd>" in page  # that of the parts
