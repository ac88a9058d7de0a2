import re
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from markupsafe import escape

from gru4rec_kedro.pipelines.modelling.pipeline import create_pipeline
from gru4rec_kedro.pipelines.modelling.report import write_report

METRICS = {
    "recall@5": 1 / 4,
    "recall_low@5": 0.21,
    "recall_high@5": 0.29,
    "mrr@5": 1 / 8,
    "mrr_low@5": 0.11,
    "mrr_high@5": 0.14,
    "coverage@20": 0.25,
    "coverage_events": 3,
    "tied_targets": 0,
    "most_ties": 0,
    "tie_effect": 0.0,
    "targets": 4000,
    "sessions": 2,
    "events": 7,
    "unknown_events": 1,
    "unknown_items": 1,
    "items": 9,
    "trained_on": "train_full",
    "continued_from": "old.pth",
    "training_events": 30,
    "training_sessions": 12,
    "training_first_date": "2025-01-01T00:00:07+00:00",
    "training_last_date": "2025-01-02T00:00:05+00:00",
    "trained_at": "2026-02-03T04:05:06+00:00",
    "training_code": "0.1.0",
    "training_peak_memory_mb": None,
    "evaluated_on": "test",
    "evaluated_events": "0a",
    "tie_mode": "conservative",
    "epochs": 3,
    "training_loss": 1.5,
    "training_seconds": 2.0,
    "training_events_per_second": 45.0,
    "evaluation_seconds": 0.5,
    "peak_memory_mb": 512.0,
    "code": "0.1.0",
    "environment": "Python 3.11, torch 2",
    "model": {"layers": [7], "loss": "</pre>"},
}
COMPARISON = pd.DataFrame(
    {
        "model": ["GRU4Rec", "popularity", "st<an"],
        "k": [5, 5, None],
        "recall": [0.25, 0.2, None],
        "recall_low": [0.2, 0.1, None],
        "recall_high": [0.3, 0.25, None],
        "mrr": [0.125, 0.1, None],
        "mrr_low": [0.1, 0.05, None],
        "mrr_high": [0.2, 0.15, None],
        "recall_ahead": [None, 0.05, None],
        "recall_ahead_low": [None, 0.03, None],
        "recall_ahead_high": [None, 0.07, None],
        "recall_p": [None, 0.001, None],
        "recall_p_holm": [None, 0.002, None],
        "mrr_ahead": [None, 0.025, None],
        "mrr_ahead_low": [None, 0.0, None],
        "mrr_ahead_high": [None, 0.05, None],
        "mrr_p": [None, 0.04, None],
        "mrr_p_holm": [None, 0.041, None],
        "fit_seconds": [2.0, 0.1, None],
        "evaluation_seconds": [0.5, 0.1, None],
        "peak_memory_mb": [512.0, 400.0, None],
    }
)
STATISTICS = pd.DataFrame(
    {
        "part": ["<b>train", "train_full"],
        "events": [20, 30],
        "first_time": [1, 2],
        "last_time": [2, 3],
        "first_date": ["2025-01-01T00:00:01+00:00", "2025-01-01T00:00:02+00:00"],
        "last_date": ["2025-01-02T00:00:01+00:00", "2025-01-02T00:00:02+00:00"],
        "unknown_items": [0, 0],
    }
)
BREAKDOWNS = pd.DataFrame(
    {
        "by": ["position"],
        "group": ["<i>1"],
        "targets": [4000],
        "k": [5],
        "recall": [1 / 4],
        "recall_low": [0.2],
        "recall_high": [0.3],
        "mrr": [1 / 8],
        "mrr_low": [0.1],
        "mrr_high": [0.15],
    }
)
EXAMPLES = {
    "sessions": [
        {"session": 4, "clicked": [1, 2], "next": 3, "rank": 2.0, "best": [7, 3]},
        {"session": 5, "clicked": [3], "next": 8, "rank": 9.0, "best": [1, 2]},
    ],
    "among": 4321,
    "by_length": True,
    "items": 9,
    "ranks": "0b",
}
ORIGINS: dict[str, Any] = {"mixed": [], "options": [], "log": "clicks.csv", "parts": {}}
ITEMS = pd.DataFrame({"title": ["Red shoe"], "picture": [""]}, index=["3"])
ROUNDS = pd.DataFrame({"round": [0, 1], "step": ["repeats", "<u>items"], "events_removed": [3, 0]})


def write(**changes: Any) -> str:
    node = next(node for node in create_pipeline().nodes if node.short_name == "write_report")
    figures = {name: go.Figure() for name in node.inputs if name.endswith("_figure")}
    given = {
        "metrics": METRICS,
        "metrics_history": {},
        "breakdowns": BREAKDOWNS,
        "baseline_comparison": COMPARISON.iloc[:0],
        "split_statistics": STATISTICS,
        "data_quality": ROUNDS,
        "example_sessions": EXAMPLES,
        "origins": ORIGINS,
        "data_origin": {},
        "items": ITEMS,
        "parameters": {"model": {"layers": [8]}, "data": {"item_key": "</pre>"}},
        **figures,
        **changes,
    }
    return write_report(**given)


def test_sets_the_model_beside_baselines(page):
    text = text_of(write(baseline_comparison=COMPARISON))
    assert "GRU4Rec 5 0.2500 0.2000 – 0.3000 0.1250 0.1000 – 0.2000 2.0 0.5 512" in text
    assert "popularity 5 +0.0500 +0.0300 to +0.0700 0.002 +0.0250 +0.0000 to +0.0500 0.041" in text
    assert "corrected (Holm) for all 2 comparisons" in text
    assert "Not compared: st&lt;an." in write(baseline_comparison=COMPARISON)
    assert "Beside simple baselines" not in text_of(page)


def text_of(page: str) -> str:
    """What a reader sees, in one line."""
    shown = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", shown).split())


@pytest.fixture(scope="module")
def page() -> str:
    return write(metrics_history={"<s>1": {**METRICS, "trained_on": "<em>"}, "2": METRICS})


def test_escapes_what_comes_from_data_and_configuration(page):
    for harmful in ("<b>train", "<i>1", "<u>items", "<s>1", "<em>", "loss: </pre>"):
        assert harmful not in page
        assert harmful.replace("<", "&lt;").replace(">", "&gt;") in page
    figure = go.Figure(layout={"title": "</script><script>alert(1)"})
    assert "<script>alert(1)" not in write(metrics_figure=figure)


def test_tells_which_events_were_measured_if_it_is_known(page):
    assert "Part test: 7 events (fingerprint 0a) Targets" in text_of(page)
    older = {name: value for name, value in METRICS.items() if name != "evaluated_events"}
    assert "Part test: 7 events Targets" in text_of(write(metrics=older))


@pytest.mark.parametrize("noted", [None, 5])
def test_notes_of_a_model_file_may_be_missing_or_of_another_kind(noted):
    text = text_of(write(metrics={**METRICS, "trained_at": noted}))
    assert ("Trained 5 Loss" in text) == (noted == 5)
    assert "None" not in text


def with_text(value: Any, text: str) -> Any:
    """Appends text to every text in a value, and to names that are not the code's own."""
    if isinstance(value, str):
        return value + text
    if isinstance(value, list):
        return [with_text(inner, text) for inner in value]
    if isinstance(value, dict):
        return {name: with_text(inner, text) for name, inner in value.items()} | {text: text}
    if isinstance(value, pd.DataFrame):
        return value.map(lambda cell: with_text(cell, text)).assign(**{text: text})
    return value


def write_with(text: str) -> str:
    """A page with a text in every place that can hold one."""
    metrics = with_text({**METRICS, "tied_targets": 1, "tie_effect": 0.5}, text)
    bars = go.Bar(x=[text], y=[1], name=text, text=[text], customdata=[text], hovertemplate=text)
    title = {"title": {"text": text}}
    figure = go.Figure(bars, {**title, "xaxis": title, "yaxis": title, "meta": text})
    parameters = {"published": {"source": text, "recall": {5: 0.2}}, text: text, "data": [text]}
    names = [
        argument
        for node in create_pipeline().nodes
        if node.short_name == "write_report"
        for argument in node.inputs
        if argument.endswith("_figure")
    ]
    return write(
        metrics=metrics,
        metrics_history={text: metrics, "2": {**metrics, "model": {text: 1}}},
        breakdowns=with_text(BREAKDOWNS, text),
        baseline_comparison=with_text(COMPARISON, text),
        split_statistics=with_text(STATISTICS, text),
        data_quality=with_text(ROUNDS, text),
        origins={
            "mixed": [text],
            "options": [{"option": text, "parts": text}],
            "log": text,
            "parts": {"options": {"data": {text: text}}},
        },
        items=with_text(ITEMS, text),
        parameters=parameters,
        **dict.fromkeys(names, figure),
    )


class Elements(HTMLParser):
    """Lists the elements of a page and their attributes, but for ids that are drawn."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[Any] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [(name, value) for name, value in attrs if name != "id"]))


def test_markup_in_data_and_configuration_adds_nothing_to_the_page():
    markup = "</script><img src=x onerror=alert(1)></pre><!--<script>'\"&{{ 1 }}"
    page = write_with(markup)
    assert "<img src=x" not in page
    assert "<!--<script>" not in page
    assert page.count(str(escape(markup))) > 40
    harmless = "x" * len(markup)
    as_text = page.replace(str(escape(markup)), harmless)  # also in attributes
    assert Elements(as_text).found == Elements(write_with(harmless)).found


def test_needs_no_network_and_holds_plotly_once(page):
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert page.count("plotly.js v") == 1


def test_shows_the_options_of_the_model_that_was_evaluated(page):
    assert "layers: [7]" in page
    assert "layers: [8]" not in page


def test_says_what_was_measured_and_how_sure_it_is(page):
    text = text_of(page)
    assert "Recall@5 0.2500 95 %: 0.2100 – 0.2900" in text
    assert "4,000 in 2 sessions: every event but the first of a session" in text
    assert "Ranked against all 9 items of the model" in text
    assert "recall@k targets among the k best items; also the hit rate, and k times prec" in text
    assert "1 items with 1 events, left out" in text
    assert "after each of a random sample of 3 events of test, 25.0% of the 9 items" in text
    assert "Ties none" in text
    assert "torch " in text


def test_says_what_the_model_was_trained_on(page):
    text = text_of(page)
    assert "train_full: 30 events in 12 sessions" in text
    # of the events that it learnt from, whatever the part has now
    assert "Period 2025-01-01 00:00:07 UTC to 2025-01-02 00:00:05 UTC" in text
    assert "Trained 2026-02-03 04:05:06 UTC" in text
    assert "Continued from old.pth" in text
    assert "train_full 30 2025-01-01 00:00:02 2025-01-02 00:00:02 0" in text
    assert "training 2.0 45 – evaluation 0.5 8,000 512" in text


def test_says_so_where_the_model_file_does_not_tell():
    notes = dict.fromkeys(name for name in METRICS if name.startswith("train"))
    measured = {name: METRICS[name] for name in METRICS if name.startswith("training_")}
    text = text_of(write(metrics={**METRICS, **notes, **measured, "trained_on": None}))
    assert "Part unknown: the model file is older" in text


def test_compares_versions(page):
    assert "2 (this one)" in page
    # this run alone is nothing to compare with
    assert "Earlier versions" not in write(metrics_history={"2": METRICS})
    assert "Earlier versions" not in write()


def test_sets_published_results_beside():
    published = {"source": "A & B", "recall": {5: 0.2}, "mrr": {10: 0.1}}
    text = text_of(write(parameters={"published": published}))
    assert "A &amp; B metric value published difference" in text
    assert "recall@5 0.2500 0.2000 +25.0%" in text
    assert "MRR@10 – 0.1000 –" in text
    assert "Beside published" not in text_of(write())


def test_warns_where_ties_decide():
    ties = {"tied_targets": 3000, "most_ties": 8, "tie_effect": 0.2}
    text = text_of(write(metrics={**METRICS, **ties}))
    assert "Many ties: recall differs by up to 0.2000" in text
    assert "3,000 targets have the score of another item, of up to 8; counted in conserv" in text


def test_parts_without_dates_and_without_filter():
    bare = STATISTICS.drop(columns=["first_time", "last_time", "first_date", "last_date"])
    empty = STATISTICS.assign(first_date=float("nan"), last_date=float("nan"))
    metrics = {name: value for name, value in METRICS.items() if not name.endswith("_date")}
    for statistics in (bare, empty):
        text = text_of(
            write(metrics=metrics, split_statistics=statistics, data_quality=ROUNDS.iloc[:0])
        )
        assert "Period" not in text
        assert "(UTC)" not in text
        assert "What the session filter removed" not in text
        assert "train_full 30" in text


def test_groups_of_one_session_have_no_interval():
    bounds = ["recall_low", "recall_high", "mrr_low", "mrr_high"]
    alone = BREAKDOWNS.assign(**dict.fromkeys(bounds, float("nan")))
    assert "4,000 5 0.2500 – 0.1250 –" in text_of(write(breakdowns=alone))


def test_counts_with_gaps_stay_counts():
    gaps = STATISTICS.assign(unknown_items=[float("nan"), 1234.0])
    assert text_of(write(split_statistics=gaps)).count("1,234") == 1


def test_what_it_is_given_stays_as_it_is():
    figure, statistics = go.Figure(), STATISTICS.copy()
    write(metrics_figure=figure, split_statistics=statistics)
    assert figure == go.Figure()
    pd.testing.assert_frame_equal(statistics, STATISTICS)


def test_the_mark_of_the_parts_is_not_for_readers() -> None:
    text = text_of(write(data_quality=ROUNDS.assign(made_of="parts 0a1b")))
    assert "repeats 3" in text
    assert "0a1b" not in text


def test_equal_times_and_long_sessions_are_told_at_the_top() -> None:
    told = "equal times in a session: 1,234 events (5.60%), ordered as the rows of the log are"
    quality = ROUNDS.assign(step=[told, *ROUNDS["step"].iloc[1:]])
    header = text_of(write(data_quality=quality)).partition("Results")[0]
    assert "Equal times in a session: 1,234 events (5.60%), ordered as the rows" in header
    long = "sessions longer than a day: 3 of 9 sessions of two events or more (33.3%)"
    both = text_of(write(data_quality=ROUNDS.assign(step=[told, long]))).partition("Results")[0]
    assert "as the rows of the log are. Sessions longer than a day: 3 of 9 sessions" in both
    none = ROUNDS.assign(step=["equal times in a session: none", *ROUNDS["step"].iloc[1:]])
    assert "Equal times" not in text_of(write(data_quality=none)).partition("Results")[0]


def test_the_first_line_says_how_far_the_model_is_ahead_of_the_best_baseline() -> None:
    told = "Against the best baseline: recall@5 +0.0500 (+0.0300 to +0.0700, Holm p 0.002) over pop"
    assert told in write(baseline_comparison=COMPARISON)
    assert "Against the best baseline" not in write()


def test_options_of_the_evaluation_are_told_at_the_top_and_below():
    options = {"ranked_targets": "first", "exclude_seen": True, "seen_targets": 8}
    text = text_of(write(metrics={**METRICS, **options}))
    header = text.partition("Results")[0]
    assert "the first of each session, ranked against 9 items that the session has not" in header
    assert "and 8 targets on seen ones left out" in header
    assert "4,000 in 2 sessions: the second event of each session" in text
    assert "less those that the session had before; 8 targets on such items are left out" in text


def test_all_cutoffs_are_compared_and_a_reader_chooses_one():
    at_1 = COMPARISON.iloc[:2].assign(k=1, recall_ahead=[None, 0.4])
    page = write(baseline_comparison=pd.concat([at_1, COMPARISON]))
    text = text_of(page)
    assert "popularity 5 +0.0500" in text
    assert "popularity 1 +0.4000" in text
    assert "for all 4 comparisons" in text
    for k in (1, 5):
        assert page.count(f'<tr data-k="{k}">') == 3  # the model, a baseline, and its distance


def test_the_first_screen_says_what_it_is_about_and_four_numbers():
    statistics = STATISTICS.assign(part=["train", "train_full"])
    text = text_of(
        write(
            split_statistics=statistics,
            metrics_history={"2026-02-03T04.05.06.000Z": METRICS},
            baseline_comparison=COMPARISON,
        )
    )
    header = text.partition("Results")[0]
    for fact in (
        "Recall@5 0.2500 95 %: 0.2100 – 0.2900 MRR@5 0.1250 95 %: 0.1100 – 0.1400",
        "Lead over popularity, recall@5 +0.0500 95 %: +0.0300 to +0.0700; the best baseline",
        "Training, events/s 45 2 s for 3 epochs",
        "Data set clicks.csv Period 2025-01-01 to 2025-01-02",
        "Model trained 2026-02-03 04:05:06 UTC Version 2026-02-03T04.05.06.000Z",
        "Code gru4rec-kedro 0.1.0 Environment Python 3.11, torch 2",
    ):
        assert fact in header


def test_example_sessions_have_titles_and_the_hit_marked():
    text = text_of(write())
    assert "Of the 4,321 sessions with 2 to 8 clicks before their last target, in the order" in text
    assert "Rank 2 Clicked: 1 2 Then: Red shoe Expected: 7 Red shoe ← came" in text
    assert "Rank 9 Clicked: Red shoe Then: 8 Expected: 1 2 What was measured" in text
    assert "Example sessions" not in write(example_sessions={})
    # also those of an earlier run, which are still in their file
    assert "Example sessions" not in write(parameters={"experiment": {"example_sessions": False}})


def test_only_pictures_are_taken_for_pictures():
    for address, is_shown in (("https://x.test/1.png", True), ("javascript:alert(1)", False)):
        page = write(items=ITEMS.assign(picture=address))
        assert (f'<img src="{address}"' in page) == is_shown


def test_what_does_not_belong_together_is_told_above_everything_else():
    option = {"option": "loading.session_gap", "parts": "3600", "model": "", "this run": "null"}
    page = write(origins={**ORIGINS, "mixed": ["The model: <b>"], "options": [option]})
    header = text_of(page).partition("Recall@5")[0]
    assert "does not belong together. The model: &lt;b&gt;." in header
    assert "loading.session_gap 3600 – null" in header
    assert "belong together" not in write()


def test_the_options_shown_are_those_that_made_the_parts_and_the_metrics():
    made = {"log": "clicks.csv", "options": {"loading": {"session_gap": 3600}}}
    parameters = {"loading": {"session_gap": 7}, "evaluation": {"mode": "median"}}
    metrics = {**METRICS, "origin": {"options": {"evaluation": {"mode": "standard"}}}}
    text = text_of(
        write(metrics=metrics, origins={**ORIGINS, "parts": made}, parameters=parameters)
    )
    assert "loading.session_gap 3600" in text
    assert "evaluation.mode standard" in text
    assert "median" not in text


def test_what_was_made_anew_since_it_was_looked_at_is_told():
    checked = {"fingerprints": {"test": "1"}, "ranks": METRICS.get("ranks")}
    origins = {**ORIGINS, "checked": checked}
    assert "made anew" not in write(origins=origins, data_origin={"fingerprints": {"test": "1"}})
    assert "made anew" in write(origins=origins, data_origin={"fingerprints": {"test": "2"}})
    assert "made anew" in write(origins={**origins, "checked": {**checked, "ranks": "9"}})


def test_of_parts_that_were_prepared_elsewhere_no_options_are_shown():
    parts = {"log": "prepared/test.csv", "options": {}}
    text = text_of(
        write(origins={**ORIGINS, "parts": parts}, parameters={"loading": {"session_gap": 7}})
    )
    assert "session_gap" not in text
    assert "loading: 'unknown: the parts were prepared elsewhere'" in text.replace("&#39;", "'")
