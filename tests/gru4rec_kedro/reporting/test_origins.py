import ibis
import pandas as pd
import pytest

from gru4rec import (
    DataConfig,
    DataSplitConfig,
    EvaluationConfig,
    LoadingConfig,
    SessionFilterConfig,
)
from gru4rec_kedro.reporting.origins import (
    check_origins,
    events_used,
    made_of,
    note_origin,
    note_origin_of_prepared,
    origin_of,
)
from gru4rec_kedro.reporting.provenance import fingerprint

LOGS = {"raw_log": "clicks.csv", "prepared_{part}": "prepared/test.csv"}


def part(first: int):
    return ibis.memtable(
        pd.DataFrame({"SessionId": [1, 1], "ItemId": [first, first + 1], "Time": [1, 2]})
    )


PARTS = [part(n) for n in range(4)]
OPTIONS = (DataConfig(), LoadingConfig(), SessionFilterConfig(), DataSplitConfig())
RANKED = pd.DataFrame({"SessionId": [1], "rank": [2.0]})


def note(gap=None, parts=PARTS):
    data, _, *rest = OPTIONS
    return note_origin(*parts, LOGS, data, LoadingConfig(session_gap=gap), *rest)


def measured(origin, **changes):
    return {
        "trained_on": "train_full",
        "training_fingerprint": fingerprint(PARTS[3]),
        "training_origin": origin_of(origin, "train_full", fingerprint(PARTS[3])),
        "evaluated_on": "test",
        "evaluated_events": fingerprint(PARTS[2]),
        "origin": origin_of(
            origin, "test", fingerprint(PARTS[2]), evaluation=EvaluationConfig(cutoff=[5])
        ),
        "ranks": fingerprint(RANKED),
        **changes,
    }


def check(metrics, parts=PARTS, origin=None, gap=None, ranked=RANKED, **given):
    baselines = pd.DataFrame({"model": ["sknn"], "events_used": [events_used(metrics)]})
    quality = pd.DataFrame({"step": ["log"], "made_of": made_of(note(parts=parts))})
    return check_origins(
        *parts,
        note() if origin is None else origin,
        metrics,
        ranked,
        given.get("examples", {}),
        given.get("baselines", baselines),
        given.get("quality", quality),
        {"loading": {"session_gap": gap}, "evaluation": given.get("evaluation", {"cutoff": [5]})},
    )


def test_what_belongs_together_is_not_complained_of(caplog):
    found = check(measured(note()))
    assert found["mixed"] == found["options"] == []
    assert found["log"] == "clicks.csv"
    assert found["parts"]["options"]["loading"]["session_gap"] is None
    assert not caplog.messages
    # how many sessions are read at once changes nothing
    quick = EvaluationConfig(cutoff=[5], batch_size=9).model_dump()
    assert not check(measured(note()), evaluation=quick)["mixed"]


def test_parts_of_another_log_are_told_from_those_of_the_model(caplog):
    others = [part(n + 10) for n in range(4)]
    found = check(measured(note()), parts=others, origin=note(parts=others))
    assert [said.partition(" than ")[0] for said in found["mixed"]] == [
        "The model: learnt from other events",
        "The metrics: measured on other events",
    ]
    assert caplog.messages == found["mixed"]


def test_options_that_differ_are_shown_of_each():
    found = check(measured(note()), origin=note(gap=3600))
    of_log, of_option = found["options"]
    logs = dict.fromkeys(("parts", "model", "metrics"), "clicks.csv")
    assert of_log == {"option": "log", **logs, "this run": ""}
    assert of_option == {
        "option": "loading.session_gap",
        "parts": "3600.0",
        "model": "null",
        "metrics": "null",
        "this run": "null",
    }
    assert found["mixed"] == ["Not all was made by the same options: loading.session_gap differ"]
    of_evaluation = check(measured(note()), evaluation={"mode": "median"})["options"]
    names = ["log", "evaluation.cutoff", "evaluation.mode"]
    assert [row["option"] for row in of_evaluation] == names
    assert of_evaluation[2]["parts"] == ""  # which no evaluation made


def test_parts_that_somebody_put_there_are_of_unknown_options():
    changed = [*PARTS[:2], part(9), PARTS[3]]
    metrics = measured(note(), evaluated_events=fingerprint(changed[2]))
    found = check(metrics, parts=changed)
    assert found["mixed"][0].startswith("test: not what data engineering made last (of clicks.csv)")
    assert found["log"] is None


def test_of_prepared_parts_the_options_of_the_run_say_nothing():
    prepared = note_origin_of_prepared(*PARTS, LOGS)
    metrics = measured(prepared)
    assert check(metrics, origin=prepared, gap=7)["mixed"] == []
    assert check(metrics, origin=prepared)["log"] == "prepared/test.csv"


@pytest.mark.parametrize(
    ("stale", "said"),
    [
        ({"ranked": RANKED + 1}, "The ranks, groups of targets and lead over baselines"),
        ({"examples": {"ranks": "0"}}, "The example sessions: of another evaluation"),
        (
            {"baselines": pd.DataFrame({"model": ["sknn"], "events_used": ["train 0, test 1"]})},
            "The baselines sknn: of other events than the model",
        ),
        (
            {"quality": pd.DataFrame({"made_of": [made_of(note(parts=[part(7), *PARTS[1:]]))]})},
            "What was dropped from the log, and why: of other parts",
        ),
    ],
    ids=["ranks", "examples", "baselines", "quality"],
)
def test_what_is_left_of_an_earlier_evaluation_is_told(stale, said):
    [sentence] = check(measured(note()), **stale)["mixed"]
    assert sentence.startswith(said)


def test_what_a_later_run_says_of_the_data_has_no_effect_on_parts_that_are_there():
    cut = note(gap=3600)
    assert check(measured(cut), origin=cut, gap=None)["mixed"] == []


def test_an_option_that_an_earlier_version_had_not_is_no_difference():
    older = note()
    del older["options"]["loading"]["ties"]
    assert check(measured(older))["mixed"] == []


def test_of_earlier_versions_of_the_project_nothing_is_known():
    metrics = {"trained_on": None, "evaluated_on": "test"}
    unknown = {"baselines": pd.DataFrame(), "quality": pd.DataFrame({"step": ["log"]})}
    assert check(metrics, origin={}, **unknown)["mixed"] == []
    assert made_of({}) == ""
    assert events_used(metrics) is None
