"""What objects say of themselves, as text and in notebooks."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gru4rec import DataSplitConfig, GRU4Rec, preparation, rank_events, split_sessions
from gru4rec.baselines import SKNN, STAN, Baseline, ItemKNN, Popularity, SASRec
from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.data.vocabulary import Vocabulary

LOG = pd.DataFrame(
    {
        SESSION: [1, 1, 1, 2, 2, 3, 3],
        ITEM: [10, 20, 30, 10, 20, 20, 30],
        TIME: [1, 2, 3, 11, 12, 21, 22],
    }
)


def small(**options: object) -> GRU4Rec:
    return GRU4Rec(layers=[4], n_sample=4, batch_size=2, device="cpu", **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def gru() -> GRU4Rec:
    return small(n_epochs=2).fit(LOG, valid=LOG)


def test_a_new_model_tells_what_was_changed() -> None:
    model = GRU4Rec(layers=[4], learning_rate=0.1)
    assert repr(model) == "<GRU4Rec(layers=[4], learning_rate=0.1): not fitted>"
    assert "bpr-max" not in model._repr_html_()
    assert "<td>momentum</td>" in model._repr_html_()  # among all options


def test_a_fitted_model_tells_what_it_has_come_to(gru: GRU4Rec) -> None:
    last = gru.history.iloc[-1]
    told = f"loss {last['loss']:.4f}; recall@20 {last['recall@20']:.4f}; mrr@20"
    assert f": 3 items; 2 epochs; {told}" in repr(gru)
    assert gru._repr_html_().count("<tr") == 1 + 2 + 1 + len(gru.config)


def test_of_a_training_with_patience_the_kept_epoch_is_told() -> None:
    model = small(n_epochs=9).fit(LOG, valid=LOG, patience=1, metric="recall@1")
    kept = model.history.set_index("epoch").loc[model.best_epoch]
    assert model.best_epoch < len(model.history)
    assert f"loss {kept['loss']:.4f}" in repr(model)


def test_a_live_session_tells_what_was_clicked_and_what_is_next(gru: GRU4Rec) -> None:
    live = gru.live_session("anna")
    assert repr(live).startswith("<LiveSession(session='anna'): 0 clicks; next ")
    for item in (10, 20, 99, 10, 20, 30, 10):
        live.add(item)
    best = ", ".join(str(item) for item in live.recommend(5)["item"])
    assert repr(live) == (
        "<LiveSession(session='anna'): 7 clicks (1 unknown); last 10, 30, 20, 10, 99, …; "
        f"next {best}>"
    )
    assert live._repr_html_().count("<tr") == 1 + 3


def test_items_and_those_that_are_allowed(gru: GRU4Rec) -> None:
    assert repr(gru.vocabulary) == "<Vocabulary: 3 items; integers; 10, 20, 30>"
    assert repr(gru.shortlist([30, 10])) == "<Shortlist: 2 of 3 items; 10, 30>"
    letters = Vocabulary(np.array([*"abcdefg"], dtype=object))
    assert repr(letters) == "<Vocabulary: 7 items; text; 'a', 'b', 'c', 'd', 'e', …>"


@pytest.mark.parametrize(
    ("baseline", "told"),
    [
        (Popularity(), "Popularity()"),
        (ItemKNN(3), "ItemKNN(regularization=3)"),
        (SKNN(k=5), "SKNN(k=5)"),
        (
            STAN(session_decay=2.0, distance_decay=3.0),
            "STAN(session_decay=2.0, distance_decay=3.0)",
        ),
    ],
)
def test_baselines_tell_their_options_and_their_data(baseline: Baseline, told: str) -> None:
    assert repr(baseline) == f"<{told}: not fitted>"
    assert repr(baseline.fit(LOG)) == f"<{told}: 3 items; 7 events>"


def test_options_of_the_transformer() -> None:
    assert repr(SASRec(units=8, n_heads=1)) == "<SASRec(units=8, n_heads=1): not fitted>"


class Forgetful(Popularity):
    """Does not keep its option."""

    def __init__(self, option: int = 1) -> None:
        self.twice = 2 * option


def test_a_baseline_of_the_users_need_not_keep_its_options() -> None:
    assert repr(Forgetful(3)) == "<Forgetful(): not fitted>"


def test_a_baseline_of_the_users_may_have_an_array_as_option() -> None:
    class Weighted(Popularity):
        def __init__(self, weights: Any = None) -> None:
            super().__init__()
            self.weights = weights

    assert "Weighted(weights=array([1., 1.]))" in repr(Weighted(np.ones(2)))


def test_ranks_tell_their_metrics(gru: GRU4Rec) -> None:
    ranked = rank_events(gru, LOG)
    ranked = replace(ranked, ranks=np.array([1.0, 2, 30, 30]), n_unknown=1)
    recall, mrr = 2 / 4, (1 + 1 / 2) / 4
    assert repr(ranked).startswith(
        f"<RankedEvents: 4 targets; 3 sessions; recall@20 {recall:.4f}; mrr@20 {mrr:.4f}; ndcg@20 "
    )
    assert repr(ranked).endswith("; 1 event on unknown items left out>")
    assert re.search(r"<td>1</td>\s*<td>0.2500</td>", ranked._repr_html_())


def test_a_split_tells_how_large_its_parts_are() -> None:
    parts = split_sessions(LOG, DataSplitConfig(test_fraction=0.3, valid_fraction=0.4))
    sizes = [len(part) for part in parts]
    assert repr(parts) == (
        "<Split: train {} events; valid {} events; test {} events; train_full {} events>".format(
            *sizes
        )
    )
    assert re.search(r"<td>train</td>\s*<td>3</td>\s*<td>1</td>\s*<td>3</td>", parts._repr_html_())


def test_a_split_of_tables_computes_nothing_to_show_itself() -> None:
    table = preparation.local_connection().create_table("log", LOG)
    parts = split_sessions(table, DataSplitConfig(test_fraction=0.3, valid_fraction=0.4))
    assert "are tables, computed when used" in repr(parts)


class Tags(HTMLParser):
    """The tags of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.open.append(tag)


def test_ids_are_text_and_never_tags() -> None:
    evil = "<script>alert(1)</script>"
    log = LOG.assign(**{ITEM: LOG[ITEM].map({10: evil, 20: "<img src=x>", 30: "ü"})})
    gru = small(n_epochs=1).fit(log)
    live = gru.live_session(evil)
    live.add("<b>stranger")
    for told in (gru, live, gru.vocabulary, gru.shortlist([evil]), rank_events(gru, log)):
        page = told._repr_html_()
        assert not {"script", "img", "b"} & set(Tags(page).open)
        assert "color" not in page  # so that it can be read on light and dark pages
