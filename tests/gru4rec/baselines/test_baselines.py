"""Every baseline against its definition, and what holds for all of them."""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gru4rec import batch_eval, rank_events
from gru4rec.baselines import (
    BASELINES,
    SKNN,
    STAN,
    VSKNN,
    Baseline,
    ItemKNN,
    MarkovChain,
    Popularity,
    SASRec,
    SessionPopularity,
)
from gru4rec.errors import ConfigError, DataError, NotFittedError

pytestmark = pytest.mark.usefixtures("engine")

# the definitions, one session and one item at a time

Sessions = list[list[int]]
Scores = dict[int, float]


def popularity(train: Sessions, session: list[int]) -> Scores:
    return dict(Counter(item for s in train for item in s))


def _breaking_ties(train: Sessions) -> Scores:
    counts = popularity(train, [])
    return {item: count / (1 + max(counts.values())) for item, count in counts.items()}


def session_popularity(train: Sessions, session: list[int]) -> Scores:
    return {item: session.count(item) + few for item, few in _breaking_ties(train).items()}


def markov_chain(train: Sessions, session: list[int]) -> Scores:
    followed = Counter(
        after for s in train for item, after in itertools.pairwise(s) if item == session[-1]
    )
    return {item: followed[item] + few for item, few in _breaking_ties(train).items()}


def item_knn(train: Sessions, session: list[int], regularization: float) -> Scores:
    last, items = session[-1], {item for s in train for item in s}
    having = {item: {n for n, s in enumerate(train) if item in s} for item in items}
    return {
        item: 0.0
        if item == last
        else len(having[last] & having[item])
        / math.sqrt((len(having[last]) + regularization) * (len(having[item]) + regularization))
        for item in items
    }


def _places(session: list[int]) -> dict[int, int]:
    """Last place of each item."""
    return {item: place for place, item in enumerate(session)}


def session_knn(train: Sessions, session: list[int], k: int, m: int, kind: str) -> Scores:
    """`train` is oldest first."""
    mine, n = _places(session), len(session)
    found = []
    for number in [number for number in range(len(train)) if set(train[number]) & set(session)][
        -m:
    ]:
        shared = set(train[number]) & set(session)
        cosine = math.sqrt(len(set(train[number])) * len(set(session)))
        similarity = {
            "SKNN": len(shared) / cosine,
            "VSKNN": sum((mine[item] + 1) / n for item in shared),
            "STAN": sum(math.exp(-(n - 1 - mine[item]) / 1.5) for item in shared) / cosine,
        }[kind]
        found.append((round(similarity, 9), number, similarity))
    scores = dict.fromkeys({item for s in train for item in s}, 0.0)
    for _, number, similarity in sorted(found, reverse=True)[:k]:
        theirs = _places(train[number])
        newest = max(set(theirs) & set(session), key=mine.__getitem__)
        for item, place in theirs.items():
            near = math.exp(-abs(place - theirs[newest]) / 0.7) if kind == "STAN" else 1.0
            scores[item] += similarity * near
    return scores


ALL: dict[str, tuple[Callable[[], Baseline], Callable[..., Scores]]] = {
    "Popularity": (Popularity, popularity),
    "SessionPopularity": (SessionPopularity, session_popularity),
    "MarkovChain": (MarkovChain, markov_chain),
    "ItemKNN": (lambda: ItemKNN(2.5), lambda *a: item_knn(*a, 2.5)),
    "ItemKNN, λ = 0": (lambda: ItemKNN(0), lambda *a: item_knn(*a, 0)),
    "SKNN": (lambda: SKNN(k=3, m=5), lambda *a: session_knn(*a, 3, 5, "SKNN")),
    "VSKNN": (lambda: VSKNN(k=3, m=5), lambda *a: session_knn(*a, 3, 5, "VSKNN")),
    "STAN": (
        lambda: STAN(k=3, m=5, session_decay=1.5, distance_decay=0.7),
        lambda *a: session_knn(*a, 3, 5, "STAN"),
    ),
}

# what is trained has no such definition; its parts are in test_sasrec.py
MAKERS = {name: make for name, (make, _) in ALL.items()} | {
    "SASRec": lambda: SASRec(units=8, n_sample=8, n_epochs=2, device="cpu")
}


def test_every_baseline_is_tested_here() -> None:
    assert {type(make()) for make in MAKERS.values()} == set(BASELINES.values())


SESSIONS = st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=6), min_size=1, max_size=12)


def events_of(sessions: list[list[Any]], first_time: int = 0) -> pd.DataFrame:
    """Sessions oldest first, whose ids are not in that order."""
    rows = [
        (1000 - number, item, first_time + 1000 * number + second)
        for number, items in enumerate(sessions)
        for second, item in enumerate(items)
    ]
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


def scores_after(model: Baseline, sessions: list[list[Any]]) -> list[dict[Any, float]]:
    items = model.vocabulary.encode([item for session in sessions for item in session])
    offsets = np.cumsum([0, *map(len, sessions)])
    ids = model.vocabulary.ids.tolist()
    return [dict(zip(ids, row.tolist(), strict=True)) for row in model.score_next(items, offsets)]


@pytest.mark.fuzz
@pytest.mark.parametrize("name", ALL)
@given(train=SESSIONS, data=st.data())
def test_scores_are_those_of_the_definition(
    name: str, train: list[list[int]], data: st.DataObject
) -> None:
    make, definition = ALL[name]
    known = sorted({item for session in train for item in session})
    asked = data.draw(
        st.lists(st.lists(st.sampled_from(known), min_size=1, max_size=5), min_size=1, max_size=4)
    )

    model = make().fit(events_of(train).sample(frac=1, random_state=0))

    for scores, session in zip(scores_after(model, asked), asked, strict=True):
        assert scores == pytest.approx(definition(train, session)), session


@pytest.mark.parametrize("mode", ["standard", "median", "conservative"])
@pytest.mark.parametrize("name", MAKERS)
def test_ranks_follow_from_the_scores(name: str, mode: str) -> None:
    rng = np.random.default_rng(4)
    train = [rng.integers(0, 9, length).tolist() for length in rng.integers(1, 6, 30)]
    test = [rng.integers(0, 12, length).tolist() for length in rng.integers(1, 6, 20)]
    model = MAKERS[name]().fit(events_of(train))
    expected = {}
    for number, session in enumerate(test):
        known = [item for item in session if item < 9]  # 9, 10 and 11 are unknown
        for place in range(1, len(known)):
            scores = scores_after(model, [known[:place]])[0]
            own = scores[known[place]]
            higher = sum(score > own for score in scores.values())
            ties = sum(score == own for score in scores.values()) - 1
            share = {"standard": 0, "median": 0.5, "conservative": 1}[mode]
            expected[1000 - number, place] = 1 + higher + share * ties

    ranked = rank_events(model, events_of(test), mode=mode)

    found = zip(ranked.sessions.tolist(), ranked.positions.tolist(), strict=True)
    assert dict(zip(found, ranked.ranks.tolist(), strict=True)) == expected
    assert ranked.n_unknown == sum(item >= 9 for session in test for item in session) > 0


@pytest.mark.parametrize("name", MAKERS)
def test_sessions_of_unknown_items_are_left_out(name: str) -> None:
    model = MAKERS[name]().fit(events_of([[1, 2, 3], [2, 3]]))

    with_unknown = batch_eval(model, events_of([[8, 9, 8], [2, 9, 3]]))

    assert with_unknown == batch_eval(model, events_of([[2, 3]]))
    with pytest.raises(DataError, match="nothing to evaluate"):
        batch_eval(model, events_of([[8, 9, 8]]))


@pytest.mark.parametrize("name", MAKERS)
def test_text_ids_and_own_columns(name: str) -> None:
    log = events_of([["tea", "cup"], ["tea", "cup"], ["cup", "pot"]])
    log.columns = ["visit", "sku", "ts"]
    keys = {"session_key": "visit", "item_key": "sku", "time_key": "ts"}

    model = MAKERS[name]().fit(log, **keys)

    assert set(model.vocabulary.ids) == {"tea", "cup", "pot"}
    assert rank_events(model, log, **keys).n_unknown == 0


@pytest.mark.parametrize("name", MAKERS)
def test_fitting_again_forgets(name: str) -> None:
    make = MAKERS[name]
    before, after = events_of([[1, 2, 3], [3, 4]]), events_of([[7, 8], [8, 9, 7]])

    again, once = make().fit(before).fit(after), make().fit(after)

    assert scores_after(again, [[8]]) == scores_after(once, [[8]])


def test_counts_the_events_of_each_item() -> None:
    model = SKNN().fit(events_of([[9, 7, 7], [7, 8]]))
    assert dict(zip(model.vocabulary.ids.tolist(), model.item_counts.tolist(), strict=True)) == {
        7: 3,
        8: 1,
        9: 1,
    }


def test_before_fit() -> None:
    with pytest.raises(NotFittedError, match="SKNN is not fitted"):
        _ = SKNN().item_counts
    with pytest.raises(NotFittedError, match="SKNN is not fitted"):
        batch_eval(SKNN(), events_of([[1, 2]]))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ItemKNN(-1), "regularization is -1"),
        (lambda: SKNN(k=0), "k is 0"),
        (lambda: VSKNN(m=0), "m is 0"),
        (lambda: STAN(session_decay=0), "session_decay is 0"),
        (lambda: STAN(distance_decay=float("nan")), "distance_decay is nan"),
    ],
)
def test_impossible_options(make: Callable[[], Baseline], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_popularity_by_hand() -> None:
    model = Popularity().fit(events_of([[1, 2], [1, 3], [1, 2]]))

    assert scores_after(model, [[3], [1, 2]]) == [{1: 3, 2: 2, 3: 1}] * 2


def test_session_popularity_by_hand() -> None:
    model = SessionPopularity().fit(events_of([[1, 2], [1, 3], [1, 2]]))

    assert scores_after(model, [[3, 2, 3]]) == [{1: 3 / 4, 2: 1 + 2 / 4, 3: 2 + 1 / 4}]


def test_markov_chain_by_hand() -> None:
    # 1 → 2 twice, 1 → 3 once; the end of a session leads nowhere
    model = MarkovChain().fit(events_of([[1, 2], [1, 3], [1, 2]]))

    assert scores_after(model, [[3, 1]]) == [{1: 3 / 4, 2: 2 + 2 / 4, 3: 1 + 1 / 4}]
    assert scores_after(model, [[1, 3]]) == [{1: 3 / 4, 2: 2 / 4, 3: 1 / 4}]  # popularity


def test_item_knn_by_hand() -> None:
    # 1 in 3 sessions, 2 in 2, 3 in 1; repeats count once
    model = ItemKNN(regularization=1).fit(events_of([[1, 2, 2], [1, 3], [1, 2, 1]]))

    (scores,) = scores_after(model, [[2, 1]])

    assert scores == pytest.approx({1: 0, 2: 2 / (4 * 3) ** 0.5, 3: 1 / (4 * 2) ** 0.5})


def test_neighbours_are_the_recent_and_the_similar_ones() -> None:
    sessions = [[1, 2], [1, 3], [1, 4, 5, 6]]

    (most_recent,) = scores_after(SKNN(k=9, m=2).fit(events_of(sessions)), [[1]])
    (most_similar,) = scores_after(SKNN(k=1, m=9).fit(events_of(sessions)), [[1]])

    assert most_recent == pytest.approx(
        {1: 2**-0.5 + 1 / 2, 2: 0, 3: 2**-0.5, 4: 1 / 2, 5: 1 / 2, 6: 1 / 2}
    )
    # [1, 2] is as similar, but older
    assert most_similar == pytest.approx({1: 2**-0.5, 2: 0, 3: 2**-0.5, 4: 0, 5: 0, 6: 0})


def test_vsknn_prefers_what_the_session_ends_with() -> None:
    model = VSKNN().fit(events_of([[1, 8], [2, 9]]))

    assert scores_after(model, [[1, 2]])[0] == pytest.approx({1: 1 / 2, 8: 1 / 2, 2: 1, 9: 1})


def test_stan_prefers_what_is_near_the_shared_item() -> None:
    model = STAN().fit(events_of([[1, 2, 3]]))
    near = 3**-0.5

    scores = scores_after(model, [[1]])[0]

    assert scores == pytest.approx({1: near, 2: near * np.exp(-1), 3: near * np.exp(-2)})


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    log = events_of([rng.integers(0, 30, 6).tolist() for _ in range(50)])
    model = VSKNN(k=5, m=20).fit(log)
    at_once = rank_events(model, log).to_frame()
    sizes = []
    score = model.score_next

    def note(items: Any, offsets: Any) -> Any:
        sizes.append(len(offsets) - 1)
        return score(items, offsets)

    monkeypatch.setattr(model, "score_next", note)
    monkeypatch.setattr("gru4rec.evaluation.ranks._BLOCK_NUMBERS", 100)
    in_blocks = rank_events(model, log).to_frame()

    pd.testing.assert_frame_equal(in_blocks, at_once)
    assert sum(sizes) == 50 * 5
    assert max(sizes) * 30 <= 100 + 35


def test_every_baseline_beats_popularity_where_the_next_item_is_certain() -> None:
    ring = [[(first + step) % 20 for step in range(4)] for first in range(20)] * 5
    log = events_of([*ring, *[[7]] * 40])
    tested = events_of(list(itertools.islice(ring, 20)))
    by_popularity = batch_eval(Popularity().fit(log), tested)[0][20]
    assert by_popularity == 1.0
    (recall, _) = batch_eval(MarkovChain().fit(log), tested, cutoff=1)
    assert recall[1] == 1.0
    for model in (ItemKNN(0), SKNN(), VSKNN(), STAN()):
        mrr = batch_eval(model.fit(log), tested)[1][20]
        assert mrr > batch_eval(Popularity().fit(log), tested)[1][20] + 0.1, model
