"""The compiled loop of the session-kNN family; it runs on the calling thread."""

import numpy as np

from gru4rec.compute.compiled.arrays import Doubles, Ints
from gru4rec.compute.compiled.compiling import compiled


@compiled()
def score_neighbours(
    items: Ints,
    weights: Doubles,
    offsets: Ints,
    item_offsets: Ints,
    item_sessions: Ints,
    item_places: Ints,
    session_offsets: Ints,
    session_items: Ints,
    session_places: Ints,
    k: int,
    m: int,
    normalised: bool,
    distance_decay: float,
    scores: Doubles,
) -> None:
    """Adds up the neighbours' items; see `neighbours`.

    Args:
        items: Events of the sessions so far, shape (n_events,).
        weights: What each adds to the similarity with a session that has the item, (n_events,).
        offsets: Row r owns the events offsets[r]:offsets[r + 1], shape (n + 1,).
        item_offsets: Item i owns that slice of the next two, shape (n_items + 1,).
        item_sessions: Training sessions with the item, oldest first; smaller numbers are older.
        item_places: The last place of the item in that session.
        session_offsets: Session s owns that slice of the next two, shape (n_sessions + 1,).
        session_items: Different items of the session.
        session_places: The last place of each in it.
        k: Neighbours.
        m: Candidates.
        normalised: Whether similarities are divided by √(items of both sessions).
        distance_decay: λ₃ of STAN; infinity for none.
        scores: Zeros, shape (n, n_items); is filled.
    """
    n_sessions = len(session_offsets) - 1
    similarity = np.zeros(n_sessions)
    shared_place = np.full(n_sessions, -1)  # of the newest shared item; −1: no candidate
    candidates = np.empty(n_sessions, np.int64)
    seen_by = np.full(scores.shape[1], -1)
    for row in range(len(scores)):
        n_candidates = n_different = 0
        for event in range(offsets[row + 1] - 1, offsets[row] - 1, -1):  # newest first
            item = items[event]
            if seen_by[item] == row:
                continue
            seen_by[item] = row
            n_different += 1
            # the m most recent of all are among the m most recent of each item
            first = max(item_offsets[item], item_offsets[item + 1] - m)
            for entry in range(first, item_offsets[item + 1]):
                session = item_sessions[entry]
                if shared_place[session] < 0:
                    shared_place[session] = item_places[entry]
                    candidates[n_candidates] = session
                    n_candidates += 1
                similarity[session] += weights[event]
        newest = np.sort(candidates[:n_candidates])[::-1][:m]
        similarities = similarity[newest]
        if normalised:
            sizes = session_offsets[newest + 1] - session_offsets[newest]
            similarities /= np.sqrt(n_different * sizes)
        # of equals the newer first; what differs in the last digits only is equal
        ranking = np.rint(-1e9 * similarities)
        for place in np.argsort(ranking, kind="mergesort")[:k]:
            session = newest[place]
            for entry in range(session_offsets[session], session_offsets[session + 1]):
                distance = abs(session_places[entry] - shared_place[session])
                scores[row, session_items[entry]] += similarities[place] * np.exp(
                    -distance / distance_decay
                )
        for candidate in candidates[:n_candidates]:
            similarity[candidate], shared_place[candidate] = 0.0, -1
