"""The published experiments, on miniature logs in the formats of their owners.

All tell the same story. B is the boundary of the test part, K the number of days after it.

| session | items, seconds between | starts | 2023 recipe |
|---|---|---|---|
| 1-5 | A B, 60 | B - 3 K, then every 2 h | train |
| 6 | A A B, 60 | B - 3 K + 12 h | train, without the repeat |
| 7 | A B, 6000, and no view between | B - 3 K + 14 h | train, or two of one event |
| 8 | A | B - 3 K + 17 h | too short |
| 9-12 | A R, 60 | B - 3 K + 18 h, every 90 min | R has 4 events, then all are too short |
| 13 | A B, 60 | B - K | validation |
| 14 | A B A, 60 | B - 120 | validation, without the last, which is at B |
| 15 | A B, 3600 | B + 10 | test: this pause is not too long |
| 16-20 | A N, 60 | B + 2 h, every 2 h | test; N is not in training |
| 21 | B A, 60 | B + K - 60 | test; the last event of the log |
"""

import csv
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import yaml

from gru4rec import GRU4RecError
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.options.parameters import Parameters

HOUR, DAY = 3600, 86_400
ITEMS = {"A": 214_536_502, "B": 214_577_561, "R": 643_078_800, "N": 9}
REES46_HEADER = (
    "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session"
)
COVEO_HEADER = (
    "session_id_hash,event_type,product_action,product_skus_hash,server_timestamp_epoch_ms,"
    "hashed_url"
)
GLOBO_HEADER = (
    "user_id,session_id,session_start,session_size,click_article_id,click_timestamp,"
    "click_environment,click_deviceGroup,click_os,click_country,click_region,"
    "click_referrer_type"
)


class Event(NamedTuple):
    session: int
    user: int
    item: str
    time: int
    is_view: bool = True


def tell(boundary: int, days: int) -> list[Event]:
    """The story as events; sessions 1 to 5 are of one user."""
    begin = boundary - 3 * days * DAY
    starts = {
        **{1 + i: ("AB", begin + 2 * HOUR * i, 60) for i in range(5)},
        6: ("AAB", begin + 12 * HOUR, 60),
        7: ("AB", begin + 14 * HOUR, 6000),
        8: ("A", begin + 17 * HOUR, 60),
        **{9 + i: ("AR", begin + 18 * HOUR + 5400 * i, 60) for i in range(4)},
        13: ("AB", boundary - days * DAY, 60),
        14: ("ABA", boundary - 120, 60),
        15: ("AB", boundary + 10, HOUR),
        **{16 + i: ("AN", boundary + 2 * HOUR * (1 + i), 60) for i in range(5)},
        21: ("BA", boundary + days * DAY - 60, 60),
    }
    events = [
        Event(session, 1 if session <= 5 else session, item, start + place * pause)
        for session, (items, start, pause) in starts.items()
        for place, item in enumerate(items)
    ]
    cart = Event(7, 7, "A", begin + 14 * HOUR + 3000, is_view=False)
    return sorted([*events, cart], key=lambda event: event.time)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def write(path: Path, rows: Iterable[Iterable[object]], delimiter: str = ",") -> None:
    path.parent.mkdir(exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(rows)


def click(event: Event) -> tuple[object, ...]:
    time = datetime.fromtimestamp(event.time, UTC)
    return (event.session, f"{time:%Y-%m-%dT%H:%M:%S}.277Z", ITEMS[event.item], "S")


def write_rsc15(folder: Path) -> None:
    views = [event for event in tell(at("2014-09-29T12:00"), 1) if event.is_view]
    write(folder / "yoochoose-clicks.dat", map(click, views))


def write_yoochoose(folder: Path) -> None:
    views = [event for event in tell(at("2014-09-29T12:00"), 1) if event.is_view]
    write(folder / "yoochoose-clicks.dat", map(click, views[20:]))
    write(folder / "yoochoose-test.dat", map(click, views[:20]))


def write_rees46(folder: Path) -> None:
    rows = []
    for event in tell(at("2019-11-30"), 1):
        time = f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d %H:%M:%S} UTC"
        kind = "view" if event.is_view else "cart"
        item, user = ITEMS[event.item], 541_312_140 + event.user
        rows.append((time, kind, item, "2103807459595387724", "", "", "35.79", user, "72d76fde"))
    # the first session goes on in the second file
    write(folder / "2019-Oct.csv", [REES46_HEADER.split(","), *rows[:1]])
    write(folder / "2019-Nov.csv", [REES46_HEADER.split(","), *rows[1:]])


def write_coveo(folder: Path) -> None:
    rows = []
    for event in tell(at("2019-06-24T21:00"), 1):
        view = ("pageview", "detail", f"{ITEMS[event.item]:x}e6b2")
        kind = view if event.is_view else ("pageview", "", "")
        rows.append((f"00a{event.user}f", *kind, event.time * 1000 + 117, "u"))
    write(folder / "release_10_23_2020.csv", [COVEO_HEADER.split(","), *reversed(rows)])


def write_retailrocket(folder: Path) -> None:
    header = ("timestamp", "visitorid", "event", "itemid", "transactionid")
    rows = []
    for event in tell(at("2015-09-11T03:00"), 7):
        kind, transaction = ("view", "") if event.is_view else ("transaction", 4000)
        rows.append((event.time * 1000, event.user, kind, ITEMS[event.item], transaction))
    write(folder / "events.csv", [header, *rows])


def write_diginetica(folder: Path) -> None:
    views = [event for event in tell(at("2016-05-25"), 7) if event.is_view]
    first = {event.session: event.time // DAY * DAY for event in reversed(views)}
    rows = []
    for event in reversed(views):  # a day of its own for each event, not in the order of time
        day = f"{datetime.fromtimestamp(event.time, UTC):%Y-%m-%d}"
        frame = (event.time - first[event.session]) * 1000
        rows.append((event.session, "NA", ITEMS[event.item], frame, day))
    header = ("sessionId", "userId", "itemId", "timeframe", "eventdate")
    write(folder / "train-item-views.csv", [header, *rows], delimiter=";")


def write_globo(folder: Path) -> None:
    views = [event for event in tell(at("2017-10-16"), 1) if event.is_view]
    # a straggler, which is in the test part because its boundary is fixed
    views += [Event(22, 22, item, at("2017-11-13T20:00") + i) for i, item in enumerate("AB")]
    hours: dict[int, list[tuple[object, ...]]] = {}
    for event in views:
        session = 1_506_825_423_271_700 + event.session
        row = (event.user, session, 0, 2, ITEMS[event.item], event.time * 1000, 4, 1, 17, 1, 25, 2)
        hours.setdefault((event.time - views[0].time) // HOUR, []).append(row)
    for hour, rows in hours.items():
        write(folder / f"globo/clicks_hour_{hour:03}.csv", [GLOBO_HEADER.split(","), *rows])


# events, sessions and items of each part: train, valid, test, train_full
RECIPE_2023 = [(14, 7, 2), (4, 2, 2), (14, 7, 3), (18, 9, 2)]
EXPECTED = {
    # session 6 keeps its repeat; 14 is in the test part whole; sessions of A N are left with A
    "rsc15": [(15, 7, 2), (2, 1, 2), (7, 3, 2), (17, 8, 2)],
    "yoochoose": RECIPE_2023,
    # between the views of session 7 are more than 3600 s
    "rees46": [(12, 6, 2), (4, 2, 2), (14, 7, 3), (16, 8, 2)],
    "coveo": RECIPE_2023,
    "retailrocket": RECIPE_2023,
    "diginetica": RECIPE_2023,
    "globo": [(14, 7, 2), (4, 2, 2), (16, 8, 3), (18, 9, 2)],
}
WRITERS: dict[str, Callable[[Path], None]] = {
    "rsc15": write_rsc15,
    "yoochoose": write_yoochoose,
    "rees46": write_rees46,
    "coveo": write_coveo,
    "retailrocket": write_retailrocket,
    "diginetica": write_diginetica,
    "globo": write_globo,
}


@pytest.fixture(scope="module")
def project(new_project):
    return new_project()


@pytest.fixture(scope="module")
def empty_project(new_project):
    return new_project()


@pytest.mark.parametrize("env", EXPECTED)
def test_parts_have_the_counts_of_the_story(env, project, run):
    WRITERS[env](project / "data/01_raw")
    run(project, env=env, pipeline_names=["data_engineering"])
    table = pd.read_csv(project / f"data/{env}/08_reporting/split_statistics.csv")
    counts = table[["part", "events", "sessions", "items"]]
    parts = ("train", "valid", "test", "train_full")
    expected = [(name, *numbers) for name, numbers in zip(parts, EXPECTED[env], strict=True)]
    assert list(counts.itertuples(index=False, name=None)) == expected
    unknown = table.set_index("part").loc["test", ["unknown_items", "unknown_events"]]
    assert unknown.tolist() == ([0, 0] if env == "rsc15" else [1, 5])


@pytest.mark.parametrize(
    ("env", "names"),
    [
        ("rsc15", ["yoochoose-clicks.dat"]),
        ("yoochoose", ["yoochoose-clicks.dat", "yoochoose-test.dat"]),
        ("rees46", ["2019-Oct.csv", "2019-Nov.csv"]),
        ("coveo", ["release_10_23_2020.csv"]),
        ("retailrocket", ["events.csv"]),
        ("diginetica", ["train-item-views.csv"]),
        ("globo", ["clicks_hour_000.csv"]),
    ],
)
def test_missing_log_says_what_to_download_from_whom_and_where_to_put_it(
    env, names, empty_project, run
):
    with pytest.raises(GRU4RecError) as caught:
        run(empty_project, env=env, pipeline_names=["data_engineering"])
    problem, _, remedy = str(caught.value).partition("\n")
    assert problem.startswith("No file is at ")
    for name in names:
        assert name in remedy
    assert "https://" in remedy
    assert "data/01_raw/" in remedy


def test_missing_log_is_one_message_on_the_command_line(empty_project, kedro):
    bad = kedro(empty_project, "run", "--env", "diginetica")
    assert bad.returncode == 1
    assert "Error: No file is at" in bad.stderr
    assert "Traceback" not in bad.stdout + bad.stderr


@pytest.mark.parametrize("env", EXPECTED)
def test_what_was_published_is_measured(env, project):
    base = yaml.safe_load((project / "conf/base/parameters.yml").read_text())
    changes = yaml.safe_load((project / f"conf/{env}/parameters.yml").read_text())
    merged = {name: options | changes.get(name, {}) for name, options in base.items()}
    parameters = Parameters.parse(merged, env)
    published = parameters.published
    cutoffs = [] if env == "globo" else [1, 5, 10, 20]
    assert list(published.recall) == list(published.mrr) == cutoffs
    assert set(cutoffs) <= set(parameters.evaluation.cutoff)
    assert bool(published.source) == bool(cutoffs)
    assert sorted(published.recall.values()) == list(published.recall.values())


def test_prepared_parts_take_the_place_of_data_engineering(project, run, tmp_path):
    """The parts of one experiment, as tables of text, are the same parts in another."""
    WRITERS["rsc15"](project / "data/01_raw")
    run(project, env="rsc15", pipeline_names=["data_engineering"])
    written = project / "data/rsc15/05_model_input"
    names = {"train": "train_tr", "valid": "train_valid"} | {n: n for n in ("test", "train_full")}
    for name, prepared in names.items():
        pd.read_parquet(written / f"{name}.parquet").to_csv(
            tmp_path / f"{prepared}.tsv", sep="\t", index=False
        )
    params = {"prepared": str(tmp_path), "model": {"n_epochs": 1, "layers": [8]}}
    run(project, params, pipeline_names=["prepared", "modelling"])
    for name in names:
        part = pd.read_parquet(project / f"data/test/05_model_input/{name}.parquet")
        pd.testing.assert_frame_equal(part, pd.read_parquet(written / f"{name}.parquet"))
    statistics = pd.read_csv(project / "data/test/08_reporting/split_statistics.csv")
    assert statistics["events"].tolist() == [events for events, *_ in EXPECTED["rsc15"]]
    assert (project / "data/test/08_reporting/report.html").exists()


def test_prepared_parts_that_are_missing(project, run, tmp_path):
    params = {"prepared": str(tmp_path)}
    with pytest.raises(
        GRU4RecError, match=r"No file is at .*train_tr\.\*(.|\n)*--params prepared="
    ):
        run(project, params, pipeline_names=["prepared"])


@pytest.mark.parametrize(
    ("name", "pipelines", "remedy"),
    [
        ("prepared", ["__default__"], "prepared,modelling"),
        ("events", ["modelling"], "data_engineering,modelling"),
        ("sessions", ["__default__"], "recommendation"),
        ("candidates", ["modelling"], "recommendation"),
    ],
)
def test_a_file_that_the_run_would_not_read_is_refused(project, run, name, pipelines, remedy):
    with pytest.raises(RunError, match=f"{name} names what .* kedro run --pipelines {remedy}, or"):
        run(project, {name: "here"}, pipeline_names=pipelines)


def test_a_file_named_where_it_has_no_effect_is_refused(new_project, run):
    project = new_project()
    (project / "conf/test/parameters.yml").write_text("events: clicks.csv")
    with pytest.raises(RunError, match=r"'clicks.csv' in a file of .* path of raw_log in catalog"):
        run(project)


def test_pipeline_that_there_is_not(project, run):
    with pytest.raises(
        GRU4RecError, match="no pipeline 'modeling'; there are backtest, baselines, "
    ):
        run(project, pipeline_names=["modeling"])
