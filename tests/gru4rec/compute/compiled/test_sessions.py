"""A few sessions go on, and are answered, as by torch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gru4rec.compute import ENGINES, FewSessions
from gru4rec.compute.compiled.ranking import LARGEST_K
from gru4rec.compute.compiled.search import MOST
from gru4rec.compute.compiled.sessions import MOST_STEPS
from gru4rec.model.network import Architecture, Network, new_network, seeded_draw
from gru4rec.serving.recommendations import best_items, go_on

N_ITEMS = 60


def network(layers: tuple[int, ...], embedding: int, shared: bool) -> Network:
    generator = torch.Generator().manual_seed(sum(layers))
    made = new_network(Architecture(layers, embedding, shared), N_ITEMS, seeded_draw(generator))
    for weights in (*made.tables.values(), *made.dense.values()):
        weights.add_(torch.randn(weights.shape, generator=generator) / 4)
    return made


def few_of(of: Network) -> FewSessions:
    made = of.few_sessions()
    assert made
    return made


sessions = st.lists(st.lists(st.integers(0, N_ITEMS - 1), max_size=5), min_size=1, max_size=MOST)


@pytest.mark.usefixtures("torch_threads")
@pytest.mark.parametrize(
    ("layers", "embedding", "shared"),
    [((6,), 0, False), ((5,), 0, True), ((4, 3), 7, False), ((4, 6, 5), 0, False)],
)
@given(
    batches=st.lists(sessions, min_size=1, max_size=3),
    k=st.integers(1, N_ITEMS),
    seed=st.integers(0, 99),
)
def test_they_go_on_and_get_their_best_items(
    layers: tuple[int, ...],
    embedding: int,
    shared: bool,
    batches: list[list[list[int]]],
    k: int,
    seed: int,
) -> None:
    of, rng = network(layers, embedding, shared), np.random.default_rng(seed)
    few = few_of(of)
    for items in batches:  # one after the other, in the same memory
        before = [rng.uniform(-1, 1, (len(items), n)).astype(np.float32) for n in layers]
        seen = items if seed % 2 else None
        assert few.ready(before, items, k, seen)
        few.run()
        went = few.result()

        flat = np.array([item for session in items for item in session], np.int64)
        offsets = np.cumsum([0, *map(len, items)])
        expected = go_on(of, [torch.from_numpy(layer) for layer in before], flat, offsets)
        last = [np.frombuffer(session.hidden[-1], np.float32) for session in went]
        best = best_items(of, torch.tensor(np.array(last)), k, seen, None)
        assert [len(session.items) for session in went] == best.lengths.tolist()
        assert [item for session in went for item in session.items] == best.items.tolist()
        assert [score for session in went for score in session.scores] == best.scores.tolist()
        for layer, wanted in enumerate(expected):
            got = b"".join(session.hidden[layer] for session in went)
            np.testing.assert_allclose(
                np.frombuffer(got, np.float32).reshape(wanted.shape), wanted.numpy(), atol=1e-5
            )


def test_too_much_is_left_to_others() -> None:
    few, hidden = few_of(network((6,), 0, False)), np.zeros((MOST + 1, 6), np.float32)
    assert few.ready([hidden[:MOST]], [[1]] * MOST, 5, None)
    assert not few.ready([hidden], [[1]] * (MOST + 1), 5, None)
    assert not few.ready([hidden[:1]], [[1] * (MOST_STEPS + 1)], 5, None)
    assert not few.ready([hidden[:1]], [[1]], LARGEST_K + 1, None)


def test_other_engines_have_no_such_thing() -> None:
    of = network((6,), 0, False)
    layers = [of.cell_weights(0)]
    made = ENGINES["plain"]().make_few_sessions(
        of.tables["input"], layers, of.tables["output"], of.tables["bias"]
    )
    assert made is None
