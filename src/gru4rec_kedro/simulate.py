"""A simulated click log, of any size, that a session-based recommender can learn from.

The sample log of this repository, `data/01_raw/sample_clicks.csv`, is not real: it is what this
command writes.

    python -m gru4rec_kedro.simulate --sessions 14000 --items 500 --seed 1 \
        --output data/01_raw/sample_clicks.csv

One row is one click: `SessionId` (1, 2, …, in the order in which the sessions start), `ItemId`
(an integer without meaning) and `Time` (whole seconds since 1970, UTC). Rows are ordered by
session, then time.

How the simulated visitors behave:

- The weight of the r-th most popular item is r^-`POPULARITY_EXPONENT` (Zipf's law).
- The catalogue is dealt to topics like a pack of cards, `TOPICS_PER_ITEM` times over, so that an
  item is in several topics, about `ITEMS_PER_TOPIC` to a topic. How well an item does in a topic
  is its weight times a log-normal factor of its own for that topic.
- A session has one hidden topic, drawn with the weight of the topic's items. Each click is drawn
  from the topic, or, with probability `OFF_TOPIC`, from the whole catalogue by popularity.
- A session has 2 or more clicks: 1 plus a geometric number, `MEAN_LENGTH` on average.
- Sessions start over `DAYS` days, rarely in the small hours and most often in the early evening;
  a click follows the last one after a log-normal number of seconds, about `MEDIAN_GAP`.

One click leaves several topics open, and a few clicks together settle it: the next item depends
on the whole session and not on the last click alone. A visitor now and then clicks the same item
twice in a row, which happens by itself.
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from gru4rec import ConfigError
from gru4rec.addresses import check_local
from gru4rec.columns import ITEM, SESSION, TIME
from gru4rec.files import make_folders, written_whole

POPULARITY_EXPONENT = 0.6
TOPICS_PER_ITEM = 4
ITEMS_PER_TOPIC = 50
TOPIC_SPREAD = 0.5
OFF_TOPIC = 0.1
MEAN_LENGTH = 6.0
MEDIAN_GAP = 40.0
GAP_SPREAD = 1.0
FIRST_SECOND = 1_717_200_000  # 2024-06-01 00:00 UTC
DAYS = 30
DAILY_SWING = 0.9
BUSIEST_HOUR = 19

# Each block of sessions has a random generator of its own, so that the log is the same however
# many sessions are in memory at once. Another block size makes another log.
BLOCK_SESSIONS = 5_000

_SCHEMA = pa.schema([(SESSION, pa.int64()), (ITEM, pa.int64()), (TIME, pa.int64())])


@dataclass(frozen=True)
class Catalogue:
    """What there is to click, and how likely each click is.

    The topics lie one after the other in `members` and `cumulative`; the last one, "topic"
    `n_topics`, is the whole catalogue by popularity, for clicks off topic.

    Attributes:
        item_ids: (n_items,) the published ids; elsewhere an item is its popularity rank.
        topic_cumulative: (n_topics,) cumulative probability of a session's topic, the last is 1.
        members: (n,) items of topic 0, of topic 1, …, of the whole catalogue.
        cumulative: (n,) t + cumulative probability within topic t, for each of `members`.
    """

    item_ids: NDArray[np.int64]
    topic_cumulative: NDArray[np.float64]
    members: NDArray[np.int64]
    cumulative: NDArray[np.float64]

    @property
    def n_topics(self) -> int:
        """The number of topics, without the whole catalogue."""
        return len(self.topic_cumulative)


def draw_catalogue(n_items: int, rng: np.random.Generator) -> Catalogue:
    """Draws items, their popularity and their topics."""
    n_topics = max(1, round(n_items * TOPICS_PER_ITEM / ITEMS_PER_TOPIC))
    popularity = np.arange(1, n_items + 1) ** -POPULARITY_EXPONENT

    dealt = np.concatenate([rng.permutation(n_items) for _ in range(TOPICS_PER_ITEM)])
    topic = np.tile(np.arange(n_items) % n_topics, TOPICS_PER_ITEM)
    order = np.argsort(topic, kind="stable")
    dealt, topic = dealt[order], topic[order]
    weight = popularity[dealt] * rng.lognormal(0.0, TOPIC_SPREAD, len(dealt))

    members = np.concatenate([dealt, np.arange(n_items)])
    cumulative = _cumulative_by_topic(
        np.concatenate([weight, popularity]),
        np.concatenate([topic, np.full(n_items, n_topics)]),
    )
    topic_cumulative = np.cumsum(np.bincount(topic, weight))
    # Ids with gaps, unrelated to popularity, as a shop's are.
    item_ids = 10_000 + rng.permutation(4 * n_items)[:n_items]
    return Catalogue(item_ids, topic_cumulative / topic_cumulative[-1], members, cumulative)


def _cumulative_by_topic(
    weight: NDArray[np.float64], topic: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Cumulative share of each weight in its topic, plus the topic; topics are 0, 0, …, 1, 1, …."""
    total = np.bincount(topic, weight)
    running = np.cumsum(weight / total[topic])
    last = np.flatnonzero(np.diff(topic, append=topic[-1] + 1))
    # Exact at the end of each topic: a draw can never fall between two topics.
    running[last] = topic[last] + 1
    return running


def draw_sessions(
    catalogue: Catalogue,
    first: int,
    count: int,
    n_sessions: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Draws sessions `first`, …, `first + count - 1` (from 0) of a log of `n_sessions`.

    Returns:
        One row per click, with the columns SessionId, ItemId and Time.
    """
    session = np.arange(first, first + count)
    length = 1 + rng.geometric(1 / (MEAN_LENGTH - 1), count)
    start_row = np.cumsum(length) - length
    row_session = np.repeat(np.arange(count), length)
    n_clicks = len(row_session)

    topic = np.searchsorted(catalogue.topic_cumulative, rng.random(count))[row_session]
    topic[rng.random(n_clicks) < OFF_TOPIC] = catalogue.n_topics
    item = catalogue.members[
        np.searchsorted(catalogue.cumulative, topic + rng.random(n_clicks), side="left")
    ]

    # Session i starts in the i-th of n_sessions equal slices of the traffic, hence in order.
    start = _start_seconds((session + rng.random(count)) / n_sessions)
    gap = 1 + rng.lognormal(np.log(MEDIAN_GAP), GAP_SPREAD, n_clicks).astype(np.int64)
    gap[start_row] = 0
    elapsed = np.cumsum(gap)
    time = start[row_session] + elapsed - elapsed[start_row][row_session]

    return pd.DataFrame(
        {SESSION: session[row_session] + 1, ITEM: catalogue.item_ids[item], TIME: time}
    )


def _start_seconds(share: NDArray[np.float64]) -> NDArray[np.int64]:
    """The second by which this share of all sessions has started, given the daily rhythm."""
    hour = np.arange(DAYS * 24 + 1)
    traffic = 1 + DAILY_SWING * np.cos(2 * np.pi * (hour[:-1] + 0.5 - BUSIEST_HOUR) / 24)
    started = np.concatenate([[0.0], np.cumsum(traffic)])
    return FIRST_SECOND + np.interp(share, started / started[-1], hour * 3600).astype(np.int64)


def simulate_sessions(n_sessions: int, n_items: int, rng: np.random.Generator) -> pd.DataFrame:
    """Simulates a log in memory: the same clicks that `write_log` writes.

    Args:
        n_sessions: Number of sessions, at least 1.
        n_items: Size of the catalogue, at least 2.
        rng: Source of randomness; a fresh generator with the same seed gives the same log.

    Returns:
        One row per click: SessionId, ItemId, Time, ordered by session, then time.
    """
    return pd.concat(_draw_blocks(n_sessions, n_items, rng), ignore_index=True)


def _draw_blocks(n_sessions: int, n_items: int, rng: np.random.Generator) -> Iterator[pd.DataFrame]:
    """The log, `BLOCK_SESSIONS` sessions at a time."""
    if n_sessions < 1:
        raise ValueError(f"n_sessions is {n_sessions}: give 1 or more")
    if n_items < 2:
        raise ValueError(f"n_items is {n_items}: give 2 or more")
    catalogue = draw_catalogue(n_items, rng.spawn(1)[0])
    for first in range(0, n_sessions, BLOCK_SESSIONS):
        count = min(BLOCK_SESSIONS, n_sessions - first)
        yield draw_sessions(catalogue, first, count, n_sessions, rng.spawn(1)[0])


class _Writer(Protocol):
    """What the CSV and the Parquet writer of pyarrow have in common."""

    def write_table(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


def _csv_writer(file: BinaryIO) -> _Writer:
    """A CSV writer; the header is written here because pyarrow would put it in quotes."""
    file.write((",".join(_SCHEMA.names) + "\n").encode())
    options = pa.csv.WriteOptions(include_header=False)
    writer: _Writer = pa.csv.CSVWriter(file, _SCHEMA, write_options=options)
    return writer


def _parquet_writer(file: BinaryIO) -> _Writer:
    writer: _Writer = pa.parquet.ParquetWriter(file, _SCHEMA)
    return writer


_WRITERS: dict[str, Callable[[BinaryIO], _Writer]] = {
    ".csv": _csv_writer,
    ".parquet": _parquet_writer,
}


def write_log(
    path: Path,
    n_sessions: int,
    n_items: int,
    rng: np.random.Generator,
    chunk_sessions: int = 100_000,
) -> int:
    """Simulates a log straight into a file, whole or not at all.

    Args:
        path: Where to write; `.csv` or `.parquet` decides the format. Missing folders are made.
        n_sessions: Number of sessions, at least 1.
        n_items: Size of the catalogue, at least 2.
        rng: Source of randomness; a fresh generator with the same seed gives the same log.
        chunk_sessions: Sessions in memory at once, rounded up to whole blocks of
            `BLOCK_SESSIONS`; the log does not depend on it.

    Returns:
        The number of clicks written.

    Raises:
        ValueError: If a number is too small or the ending is neither `.csv` nor `.parquet`.
        OSError: If the file cannot be written; nothing is left behind then.
    """
    if path.suffix not in _WRITERS:
        raise ValueError(f"{path} ends in {path.suffix!r}: give a name ending in .csv or .parquet")
    if chunk_sessions < 1:
        raise ValueError(f"chunk_sessions is {chunk_sessions}: give 1 or more")
    blocks = _draw_blocks(n_sessions, n_items, rng)
    blocks_per_chunk = -(-chunk_sessions // BLOCK_SESSIONS)
    n_clicks = 0
    make_folders(path.parent)
    with (
        written_whole(path) as temporary,
        temporary.open("wb") as file,
        closing(_WRITERS[path.suffix](file)) as writer,
    ):
        while chunk := list(islice(blocks, blocks_per_chunk)):
            table = pa.Table.from_pandas(pd.concat(chunk), _SCHEMA, preserve_index=False)
            writer.write_table(table)
            n_clicks += table.num_rows
    return n_clicks


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command line; see the module's docstring."""
    parser = argparse.ArgumentParser(
        prog="python -m gru4rec_kedro.simulate",
        description="Write a simulated click log (SessionId, ItemId, Time).",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--sessions", type=_whole_number(1), required=True, help="number of sessions")
    add("--items", type=_whole_number(2), required=True, help="size of the catalogue")
    add("--seed", type=_whole_number(0), default=1, help="same seed, same log")
    add("--output", type=_log_path, required=True, help="file to write: .csv or .parquet")
    add("--chunk-sessions", type=_whole_number(1), default=100_000, help="sessions in memory")
    args = parser.parse_args(arguments)
    rng = np.random.default_rng(args.seed)
    try:
        n_clicks = write_log(args.output, args.sessions, args.items, rng, args.chunk_sessions)
    except OSError as error:
        parser.error(f"argument --output: cannot write {args.output}: {error.strerror or error}")
    print(f"{args.output}: {n_clicks:,} clicks in {args.sessions:,} sessions")


def _whole_number(minimum: int) -> Callable[[str], int]:
    """A converter for argparse that refuses numbers below the minimum."""

    def convert(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = minimum - 1
        if number < minimum:
            raise argparse.ArgumentTypeError(f"{text!r}: give a whole number, {minimum} or more")
        return number

    return convert


def _log_path(text: str) -> Path:
    """A converter for argparse that refuses what is neither CSV nor Parquet."""
    try:
        path = check_local(text, ConfigError, "write it here and copy it")
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if path.suffix not in _WRITERS:
        raise argparse.ArgumentTypeError(f"{text!r}: give a name ending in .csv or .parquet")
    return path


if __name__ == "__main__":
    main()
