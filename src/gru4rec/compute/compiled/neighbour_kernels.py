"""The compiled loop of the session-kNN family; it runs on the calling thread."""

import numpy as np

from gru4rec.compute.compiled.arithmetic import inlined
from gru4rec.compute.compiled.arrays import Doubles, Ints
from gru4rec.compute.compiled.compiling import compiled


@inlined
def comes_first(session: int, other: int, keys: Doubles) -> bool:
    """Whether a session's key is smaller, or of equal ones the session is newer."""
    mine, its = keys[session], keys[other]
    return bool(mine < its or (mine == its and session > other))


@compiled()
def sink(heap: Ints, place: int, n: int, keys: Doubles) -> None:
    """Moves the session at a place of a heap (n,) down, until none below comes before it."""
    session = heap[place]
    while 2 * place + 1 < n:
        child = 2 * place + 1
        if child + 1 < n and comes_first(heap[child + 1], heap[child], keys):
            child += 1
        if not comes_first(heap[child], session, keys):
            break
        heap[place] = heap[child]
        place = child
    heap[place] = session


@compiled()
def keep_newest(sessions: Ints, m: int) -> None:
    """Brings the m newest sessions to the beginning of the array (n,), n ≥ m, in any order."""
    begin, end = 0, len(sessions) - 1
    while begin < end:  # Hoare's selection
        middle = sessions[(begin + end) // 2]
        low, high = begin, end
        while low <= high:
            while sessions[low] > middle:
                low += 1
            while sessions[high] < middle:
                high -= 1
            if low <= high:
                sessions[low], sessions[high] = sessions[high], sessions[low]
                low, high = low + 1, high - 1
        if m <= high + 1:
            end = high
        elif m > low:
            begin = low
        else:
            return


@compiled()
def take_first(sessions: Ints, n_wanted: int, keys: Doubles) -> None:
    """Brings the sessions that come first to the end of the array (n,), the very first last.

    numba takes three seconds to compile `np.sort` and `np.argsort`; this takes a tenth of that.
    """
    n = len(sessions)
    for place in range(n // 2 - 1, -1, -1):
        sink(sessions, place, n, keys)
    for last in range(n - 1, n - 1 - min(n_wanted, n), -1):
        sessions[0], sessions[last] = sessions[last], sessions[0]
        sink(sessions, 0, last, keys)


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
    similarity, keys = np.zeros(n_sessions), np.zeros(n_sessions)
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
        newest = candidates[:n_candidates]
        if n_candidates > m:
            keep_newest(newest, m)
            newest = newest[:m]
        for session in newest:
            if normalised:
                size = session_offsets[session + 1] - session_offsets[session]
                similarity[session] /= np.sqrt(n_different * size)
            # what differs in the last digits only is equal
            keys[session] = np.rint(-1e9 * similarity[session])
        take_first(newest, k, keys)
        for session in newest[: -min(k, len(newest)) - 1 : -1]:
            for entry in range(session_offsets[session], session_offsets[session + 1]):
                distance = abs(session_places[entry] - shared_place[session])
                scores[row, session_items[entry]] += similarity[session] * np.exp(
                    -distance / distance_decay
                )
        for candidate in candidates[:n_candidates]:
            similarity[candidate], shared_place[candidate] = 0.0, -1
