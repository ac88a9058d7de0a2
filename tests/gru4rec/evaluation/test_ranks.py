import functools
import itertools
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec
from gru4rec.config import Config
from gru4rec.data.vocabulary import Vocabulary
from gru4rec.errors import ConfigError, DataError, NotFittedError
from gru4rec.evaluation import batch_eval, by_network, evaluate, rank_events
from gru4rec.model.network import Architecture, Network
from gru4rec.serving.recommendations import final_states

MakeNetwork = Callable[..., Network]
MakeEvents = Callable[..., pd.DataFrame]
MakeSessions = Callable[..., list[list[int]]]

MODES = ["standard", "conservative", "median"]


class Recurrent:
    """The scores of a network, as `GRU4Rec` has them."""

    def __init__(self, network: Network, vocabulary: Vocabulary) -> None:
        self.network, self.vocabulary = network, vocabulary

    @by_network
    def score_next(self, items: Any, offsets: Any) -> Any:
        return self.network.scores(final_states(self.network, items, offsets)).numpy()


def model_of(network: Network, ids: list[Any] | None = None) -> Any:
    known = list(range(network.n_items)) if ids is None else ids
    array = np.array(known, dtype=object if isinstance(known[0], str) else np.int64)
    return Recurrent(network, Vocabulary(array))


@pytest.fixture
def popularity() -> Any:
    """A model of five items that ranks item i at place i + 1 after whatever session."""
    architecture = Architecture((2,), 0, shared=True)
    tables = {"output": torch.zeros(5, 2), "bias": torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0])}
    dense = {name: torch.zeros(shape) for name, shape in architecture.dense_shapes().items()}
    return model_of(Network(architecture, tables, dense))


def brute_force(model: Any, sessions: list[list[Any]], mode: str) -> list[float]:
    """Ranks of all targets, one session after the other, one item at a time, in 64 bits."""
    network, ids = model.network, model.vocabulary.ids.tolist()
    tables, dense = (
        {name: tensor.double() for name, tensor in tensors.items()}
        for tensors in (network.tables, network.dense)
    )
    exact, ranks = Network(network.architecture, tables, dense), []
    for session in sessions:
        known = [ids.index(item) for item in session if item in ids]
        hidden = exact.zero_state(1)
        for item, target in itertools.pairwise(known):
            hidden = exact.advance(exact.embed(torch.tensor([item])), hidden)
            difference = tables["output"] @ hidden[-1][0] + tables["bias"]
            difference -= difference[target].clone()
            higher = int((difference > 1e-5).sum())
            ties = int((difference.abs() < 1e-5).sum()) - 1
            ranks.append(
                1 + higher + {"standard": 0, "median": ties / 2, "conservative": ties}[mode]
            )
    return ranks


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("batch_size", [1, 3, 512])
def test_equals_brute_force(
    architecture: Architecture,
    make_network: MakeNetwork,
    make_random_sessions: MakeSessions,
    make_events: MakeEvents,
    mode: str,
    batch_size: int,
) -> None:
    network = make_network(architecture, n_items=30)
    # items 10 to 14 are copies of 0 to 4: real ties
    for table in network.tables.values():
        table[10:15] = table[:5]
    model, sessions = model_of(network), make_random_sessions(40, 30)

    ranked = rank_events(model, make_events(sessions), batch_size, mode)

    expected = brute_force(model, sessions, mode)
    assert ranked.ranks.tolist() == expected
    without, against = (brute_force(model, sessions, m) for m in ("standard", "conservative"))
    assert ranked.ties.tolist() == [b - a for a, b in zip(without, against, strict=True)]
    assert ranked.ties.dtype == np.int64
    assert expected != brute_force(model, sessions, "standard" if mode != "standard" else "median")


@pytest.mark.parametrize("mode", MODES)
def test_a_network_ranks_like_any_model_with_its_scores(
    make_network: MakeNetwork,
    make_random_sessions: MakeSessions,
    make_events: MakeEvents,
    mode: str,
) -> None:
    events = make_events(make_random_sessions(40, 30))
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=16, batch_size=8).fit(events)
    only_scores: Any = SimpleNamespace(vocabulary=gru.vocabulary, score_next=gru.score_next)

    expected = rank_events(gru, events, mode=mode).to_frame()

    pd.testing.assert_frame_equal(rank_events(only_scores, events, mode=mode).to_frame(), expected)


class Reversed(GRU4Rec):
    """Ranks the worst first."""

    def score_next(self, items: Any, offsets: Any) -> Any:
        return -super().score_next(items, offsets)


class Wrapped:
    """Hands on what it does not know."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class ReversedWrapped(Wrapped):
    @functools.wraps(GRU4Rec.score_next)
    def score_next(self, *args: Any) -> Any:
        return -self._inner.score_next(*args)


@pytest.mark.parametrize("kind", ["subclass", "wrapper", "instance", "assigned", "network"])
def test_a_model_with_scores_of_its_own_is_ranked_by_them(
    make_random_sessions: MakeSessions, make_events: MakeEvents, kind: str
) -> None:
    events = make_events(make_random_sessions(40, 30))
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=16, batch_size=8, device="cpu").fit(events)
    best_first = rank_events(gru, events)
    score_next = gru.score_next
    model: Any = {
        "subclass": Reversed(**gru.config),
        "wrapper": ReversedWrapped(gru),
        "instance": gru,
        "assigned": Wrapped(gru),
        "network": SimpleNamespace(network=gru.network, vocabulary=gru.vocabulary),
    }[kind]
    if kind == "subclass":
        model._vocabulary, model._state = gru._vocabulary, gru._state
    elif kind != "wrapper":
        model.score_next = lambda *given: -score_next(*given)

    worst_first = rank_events(model, events)

    n_items = len(gru.vocabulary)
    assert not best_first.ties.any()
    assert worst_first.ranks.tolist() == (n_items + 1 - best_first.ranks).tolist()


def test_a_wrapper_that_changes_nothing_ranks_as_what_it_wraps(
    make_random_sessions: MakeSessions, make_events: MakeEvents
) -> None:
    events = make_events(make_random_sessions(20, 30))
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=16, batch_size=8, device="cpu").fit(events)
    wrapped: Any = Wrapped(gru)

    found = rank_events(wrapped, events).to_frame()

    pd.testing.assert_frame_equal(found, rank_events(gru, events).to_frame())


def test_a_network_is_not_asked_for_its_scores(
    make_network: MakeNetwork, make_events: MakeEvents, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make_network(Architecture((6,), 0, shared=True), 5)
    monkeypatch.setattr("gru4rec.evaluation.ranks._ask_model", None)  # fails when called

    assert len(rank_events(model_of(network), make_events([[0, 1, 3]])).ranks) == 2


def test_validation_goes_by_the_scores_of_a_subclass(
    make_random_sessions: MakeSessions, make_events: MakeEvents
) -> None:
    events = make_events(make_random_sessions(40, 30))
    options: dict[str, Any] = {"layers": [8], "n_epochs": 1, "n_sample": 16, "device": "cpu"}

    for model in (GRU4Rec(**options), Reversed(**options)):
        model.fit(events, valid=events, valid_cutoff=5)
        recall, _ = batch_eval(model, events, cutoff=5)
        assert model.history["recall@5"].tolist() == [recall[5]]


def model_that_answers(answer: Callable[[int], Any], n_items: int = 4) -> Any:
    """A model whose `score_next` answers for so many sessions."""
    return SimpleNamespace(
        vocabulary=Vocabulary(np.arange(n_items)),
        score_next=lambda _, offsets: answer(len(offsets) - 1),
    )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda n: np.full((n, 4), np.nan), "returned 12 NaN among 12 scores"),
        (lambda n: np.tile([3.0, np.nan, 1.0, 2.0], (n, 1)), "returned 3 NaN among 12 scores"),
        (lambda n: np.tile([3.0, np.inf, -np.inf, 2.0], (n, 1)), r"returned 3 \+inf among 12"),
        (lambda n: np.zeros((n, 3)), r"returned shape \(3, 3\); \(3, 4\) is expected"),
        (lambda n: np.zeros((n, 1)), r"returned shape \(3, 1\); \(3, 4\) is expected"),
        (lambda _: np.zeros(4), r"returned shape \(4,\); \(3, 4\) is expected"),
        (lambda n: np.zeros((n + 1, 4)), r"returned shape \(4, 4\); \(3, 4\) is expected"),
        (lambda n: np.zeros((n, 4), np.int64), r"returned numpy.ndarray of int64; .* floats"),
        (lambda n: np.zeros((n, 4), bool), r"returned numpy.ndarray of bool"),
        (lambda n: np.zeros((n, 4), object), r"returned numpy.ndarray of object"),
        (lambda n: np.zeros((n, 4), complex), r"returned numpy.ndarray of complex128"),
        (lambda n: torch.zeros(n, 4), "returned torch.Tensor; a NumPy array of floats"),
        (
            lambda n: np.ma.masked_array(np.zeros((n, 4))),
            r"returned numpy.ma.*MaskedArray",
        ),
        (lambda n: np.zeros((n, 4)).tolist(), "returned builtins.list; a NumPy array"),
        (lambda n: pd.DataFrame(np.zeros((n, 4))), "returned pandas.*DataFrame; a NumPy array"),
        (lambda _: None, "returned builtins.NoneType; a NumPy array"),
    ],
)
def test_scores_that_cannot_be_ranked_are_refused(
    make_events: MakeEvents, answer: Callable[[int], Any], message: str
) -> None:
    with pytest.raises(DataError, match=f"score_next of SimpleNamespace {message}"):
        rank_events(model_that_answers(answer), make_events([[0, 1, 0, 3]]))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble])
def test_excluded_items_are_behind_all(make_events: MakeEvents, dtype: Any) -> None:
    model = model_that_answers(lambda n: np.tile([3, -np.inf, 1, 2], (n, 1)).astype(dtype))

    ranked = rank_events(model, make_events([[0, 1, 0, 3]]), mode="standard")

    assert ranked.ranks.tolist() == [4, 1, 2]


@pytest.mark.parametrize(
    ("mode", "rank"), [("standard", 1), ("median", (1 + 7) / 2), ("conservative", 7)]
)
def test_where_all_scores_are_equal(mode: str, rank: float, make_events: MakeEvents) -> None:
    architecture = Architecture((2,), 0, shared=True)
    tables = {name: torch.zeros(shape) for name, shape in architecture.table_shapes(7).items()}
    dense = {name: torch.zeros(shape) for name, shape in architecture.dense_shapes().items()}
    model = model_of(Network(architecture, tables, dense))

    ranked = rank_events(model, make_events([[0, 3, 6], [2, 1]]), mode=mode)

    assert ranked.ranks.tolist() == [rank] * 3
    assert ranked.ties.tolist() == [7 - 1] * 3


@pytest.mark.parametrize("batch_size", [1, 2, 5, 100])
def test_sessions_have_the_same_ranks_in_many_lanes_as_alone(
    architecture: Architecture,
    make_network: MakeNetwork,
    make_random_sessions: MakeSessions,
    make_events: MakeEvents,
    batch_size: int,
) -> None:
    model, sessions = model_of(make_network(architecture, 50)), make_random_sessions(30, 50)

    ranked = rank_events(model, make_events(sessions), batch_size)

    for number, session in enumerate(sessions):
        if len(session) > 1:
            alone = rank_events(model, make_events([session]))
            assert ranked.ranks[ranked.sessions == number].tolist() == alone.ranks.tolist()


@pytest.mark.parametrize("mode", MODES)
def test_scoring_in_blocks_changes_nothing(
    make_network: MakeNetwork,
    make_random_sessions: MakeSessions,
    make_events: MakeEvents,
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    model = model_of(make_network(Architecture((6,), 0, shared=True), 50))
    data = make_events(make_random_sessions(30, 50))
    expected = rank_events(model, data, mode=mode).ranks

    for rows in (1, 7):
        monkeypatch.setattr(model.network.engine, "block_rows", rows)
        assert rank_events(model, data, mode=mode).ranks.tolist() == expected.tolist()


def test_recall_and_mrr_are_shares_of_the_targets(popularity: Any, make_events: MakeEvents) -> None:
    # the targets 1, 3 and 0, 4 have the ranks 2, 4 and 1, 5
    recall, mrr = batch_eval(popularity, make_events([[0, 1, 3], [2, 0, 4]]), cutoff=[1, 2, 4, 5])

    assert recall == {1: 1 / 4, 2: 2 / 4, 4: 3 / 4, 5: 4 / 4}
    assert mrr == pytest.approx(
        {
            1: 1 / 4,
            2: 1 / 4 * (1 + 1 / 2),
            4: 1 / 4 * (1 + 1 / 2 + 1 / 4),
            5: 1 / 4 * (1 + 1 / 2 + 1 / 4 + 1 / 5),
        }
    )


def test_every_target_is_told(popularity: Any, make_events: MakeEvents) -> None:
    frame = rank_events(popularity, make_events([[0, 1], [2], [2, 0, 4]])).to_frame()

    expected = pd.DataFrame(
        {
            "SessionId": [0, 2, 2],
            "position": [1, 1, 2],
            "ItemId": [1, 0, 4],
            "rank": [2.0, 1.0, 5.0],
            "ties": [0, 0, 0],
        }
    )
    pd.testing.assert_frame_equal(frame, expected)


@pytest.mark.parametrize("mode", MODES)
def test_unknown_items_are_removed_and_counted(
    make_network: MakeNetwork,
    make_random_sessions: MakeSessions,
    make_events: MakeEvents,
    caplog: pytest.LogCaptureFixture,
    mode: str,
) -> None:
    model = model_of(make_network(Architecture((6,), 0, shared=True), 10))
    sessions = make_random_sessions(20, 14)
    events = make_events(sessions)
    n_unknown = int((events["ItemId"] >= 10).sum())

    with caplog.at_level(logging.WARNING):
        ranked = rank_events(model, events, mode=mode)

    # the neighbours of an unknown item follow each other
    assert ranked.ranks.tolist() == brute_force(model, sessions, mode)
    assert (ranked.n_events, ranked.n_unknown) == (len(events), n_unknown)
    assert f"{n_unknown} of {len(events)} events are on items that the model" in caplog.text


def test_row_order_never_matters(
    make_network: MakeNetwork, make_random_sessions: MakeSessions, make_events: MakeEvents
) -> None:
    model = model_of(make_network(Architecture((6,), 0, shared=True), 20))
    events = make_events(make_random_sessions(20, 20))

    shuffled = rank_events(model, events.sample(frac=1, random_state=3)).to_frame()

    pd.testing.assert_frame_equal(shuffled, rank_events(model, events).to_frame())


def test_ids_may_be_text(popularity: Any, make_events: MakeEvents) -> None:
    model = model_of(popularity.network, ids=["e", "d", "c", "b", "a"])
    events = make_events([["e", "d", "b"], ["c", "?", "a"]])
    events["SessionId"] = events["SessionId"].map({0: "x", 1: "w"})

    ranked = rank_events(model, events)

    assert ranked.to_frame().to_numpy().tolist() == [
        ["w", 1, "a", 5.0, 0],
        ["x", 1, "d", 2.0, 0],
        ["x", 2, "b", 4.0, 0],
    ]


def test_a_repeated_row_is_an_event_of_its_own(popularity: Any, make_events: MakeEvents) -> None:
    events = make_events([[0, 1, 3]])

    ranked = rank_events(popularity, pd.concat([events, events.iloc[[1]]]))

    assert ranked.items.tolist() == [1, 1, 3]


def test_a_single_session_is_ranked_to_its_end(popularity: Any, make_events: MakeEvents) -> None:
    assert rank_events(popularity, make_events([[0, 1, 2, 3]])).ranks.tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    "dtypes",
    [
        {},
        {"ItemId": "Int64", "SessionId": "int32", "Time": "float64"},
        {"ItemId": "category", "Time": "datetime64[s]"},
        {"ItemId": "int64[pyarrow]", "SessionId": "string"},
        {"ItemId": object, "SessionId": object},
    ],
    ids=str,
)
def test_the_data_is_never_changed(
    popularity: Any, make_events: MakeEvents, dtypes: dict[str, Any]
) -> None:
    events = make_events([[3, 1, 3], [2, 9, 4]]).astype(dtypes).sample(frac=1, random_state=1)
    events["extra"] = 1.5
    before = events.copy(deep=True)

    recall, _ = batch_eval(popularity, events, cutoff=[4])

    # ranks 2, 4 and, without the unknown 9, 5
    assert recall == {4: 2 / 3}
    pd.testing.assert_frame_equal(events, before)


def test_nothing_to_rank_is_an_error(popularity: Any, make_events: MakeEvents) -> None:
    with pytest.raises(DataError, match="nothing to evaluate: of 4 events, 4 are on items that"):
        batch_eval(popularity, make_events([[77, 78], [79, 80]]))
    with pytest.raises(DataError, match=r"of 3 events, 1 are on items .* no session has two of"):
        batch_eval(popularity, make_events([[77, 1], [2]]))
    with pytest.raises(DataError, match="the model knows its items by integers, but text"):
        batch_eval(popularity, make_events([["a", "b"]]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "strict"}, "'conservative', 'standard' or 'median' .got 'strict'."),
        ({"batch_size": 0}, "batch_size: Input should be greater than 0"),
        ({"cutoff": []}, "cutoff: List should have at least 1 item"),
        ({"cutoff": [20, 0]}, r"cutoff\.1: Input should be greater than 0"),
    ],
)
def test_impossible_options_are_refused(
    popularity: Any, make_events: MakeEvents, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        batch_eval(popularity, make_events([[0, 1]]), **options)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (None, "the NoneType: it has no method score_next and no vocabulary"),
        (GRU4Rec, "the class GRU4Rec: it has no vocabulary"),
        (SimpleNamespace(score_next=print), "the SimpleNamespace: it has no vocabulary"),
        (SimpleNamespace(vocabulary=Vocabulary(np.arange(2))), "it has no method score_next;"),
        (SimpleNamespace(score_next=print, vocabulary=[1, 2]), "it has no vocabulary .a gru4rec"),
    ],
    ids=["nothing", "class", "no vocabulary", "no scores", "another vocabulary"],
)
def test_what_is_no_model_is_refused(make_events: MakeEvents, model: Any, message: str) -> None:
    for evaluating in (rank_events, batch_eval, functools.partial(evaluate, config={})):
        with pytest.raises(DataError, match=f"cannot evaluate .*{message}.*NextItemModel is exp"):
            evaluating(model, make_events([[0, 1]]))


def test_a_model_that_is_not_trained_says_so(make_events: MakeEvents) -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        rank_events(GRU4Rec(device="cpu"), make_events([[0, 1]]))


def test_evaluate_goes_by_the_configuration(popularity: Any, make_events: MakeEvents) -> None:
    events = make_events([[0, 1, 3]]).rename(columns={"ItemId": "news"})
    options = {"data": {"item_key": "news"}, "evaluation": {"cutoff": [2, 4], "mode": "median"}}

    for config in (options, Config.parse(options, "test")):
        recall, mrr = evaluate(popularity, events, config)

        assert recall == {2: 1 / 2, 4: 2 / 2}
        assert mrr == {2: 1 / 2 * 1 / 2, 4: 1 / 2 * (1 / 2 + 1 / 4)}


SESSIONS = [[0, 1, 2, 0, 4], [3, 3, 2], [1, 0], [2]]


@pytest.mark.parametrize(
    ("options", "targets", "ranks", "n_seen"),
    [
        # item i has rank i + 1
        ({}, [1, 2, 0, 4, 3, 2, 0], [2, 3, 1, 5, 4, 3, 1], 0),
        ({"targets": "first"}, [1, 3, 0], [2, 4, 1], 0),
        ({"targets": "last"}, [4, 2, 0], [5, 3, 1], 0),
        # of the items before it those with a lower number no longer count; 0 and 3 are repeats
        ({"exclude_seen": True}, [1, 2, 4, 2, 0], [1, 1, 2, 3, 1], 2),
        ({"exclude_seen": True, "targets": "first"}, [1, 0], [1, 1], 1),
        ({"exclude_seen": True, "targets": "last"}, [4, 2, 0], [2, 3, 1], 0),
    ],
    ids=str,
)
@pytest.mark.parametrize("asks", ["network", "scores"])
def test_options_say_what_is_ranked(
    popularity: Any,
    make_events: MakeEvents,
    options: dict[str, Any],
    targets: list[int],
    ranks: list[int],
    n_seen: int,
    asks: str,
) -> None:
    model = popularity
    if asks == "scores":
        model = SimpleNamespace(vocabulary=model.vocabulary, score_next=model.score_next)

    ranked = rank_events(model, make_events(SESSIONS), **options)

    assert (ranked.items.tolist(), ranked.ranks.tolist()) == (targets, ranks)
    assert ranked.n_seen == n_seen
    recall, _ = batch_eval(model, make_events(SESSIONS), 1, **options)
    assert recall == {1: ranks.count(1) / len(ranks)}


def test_excluding_changes_the_rank_by_the_seen_items_that_were_ahead(
    make_random_sessions: MakeSessions, make_events: MakeEvents
) -> None:
    events = make_events(make_random_sessions(40, 30))
    gru = GRU4Rec(layers=[8], n_epochs=1, n_sample=16, batch_size=8, device="cpu").fit(events)
    only_scores: Any = Wrapped(gru)
    only_scores.score_next = gru.score_next

    by_network, by_scores = (
        rank_events(model, events, exclude_seen=True, top=7) for model in (gru, only_scores)
    )

    pd.testing.assert_frame_equal(by_network.to_frame(), by_scores.to_frame())
    assert by_network.lists is not None
    assert by_scores.lists is not None
    assert by_network.lists.items.tolist() == by_scores.lists.items.tolist()
    for session, position, rank, best in zip(
        by_network.sessions,
        by_network.positions,
        by_network.ranks,
        by_network.lists.items,
        strict=True,
    ):
        before = events[events["SessionId"] == session]["ItemId"].tolist()[:position]
        expected = gru.recommend([before], k=30, exclude_seen=True)
        assert gru.vocabulary.decode(best[best >= 0]).tolist() == expected["item"][:7].tolist()
        target = events[events["SessionId"] == session]["ItemId"].tolist()[position]
        assert expected["item"].tolist().index(target) + 1 == rank


def test_lists_hold_less_where_there_is_no_more(popularity: Any, make_events: MakeEvents) -> None:
    popularity.item_counts = np.array([9, 3, 3, 1, 1])

    ranked = rank_events(popularity, make_events([[0, 1, 4]]), exclude_seen=True, top=6)

    assert ranked.lists is not None
    assert ranked.lists.items.tolist() == [[1, 2, 3, 4, -1, -1], [2, 3, 4, -1, -1, -1]]
    assert ranked.lists.counts.tolist() == [9, 3, 3, 1, 1]


def test_a_list_of_scores_that_tie_goes_by_index(make_events: MakeEvents) -> None:
    model = model_that_answers(lambda n: np.broadcast_to(np.array([0, 1, -np.inf, 0.0]), (n, 4)))
    model.item_counts = np.ones(4, dtype=np.int64)

    ranked = rank_events(model, make_events([[0, 1], [2, 3]]), top=2)

    assert ranked.lists is not None
    assert ranked.lists.items.tolist() == [[1, 0]] * 2


def test_lists_need_the_counts_of_the_items(popularity: Any, make_events: MakeEvents) -> None:
    with pytest.raises(DataError, match=r"Recurrent has no item_counts.*each of its 5 items"):
        rank_events(popularity, make_events([[0, 1]]), top=3)


@pytest.mark.parametrize("top", [-1, 2.5, "20"])
def test_a_list_has_a_number_of_items(popularity: Any, make_events: MakeEvents, top: Any) -> None:
    with pytest.raises(ConfigError, match=f"top is .*{top}.*a number of items is expected"):
        rank_events(popularity, make_events([[0, 1]]), top=top)


def test_where_all_targets_were_seen_there_is_nothing_to_rank(
    popularity: Any, make_events: MakeEvents
) -> None:
    with pytest.raises(DataError, match="exclude_seen leaves out all 2 targets"):
        rank_events(popularity, make_events([[1, 1, 1]]), exclude_seen=True)
