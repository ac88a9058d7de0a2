import math

import pandas as pd
import pyarrow as pa
import pytest

from gru4rec.errors import DataError
from gru4rec.preparation import describe_parts, local_connection


def frame(rows: list[tuple[object, object, float]]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["SessionId", "ItemId", "Time"])


PARTS = {
    "train": frame([(1, 1, 0), (1, 2, 60)]),
    "valid": frame([(2, 2, 100), (2, 3, 101), (3, 3, 102)]),
    "test": frame([(4, 3, 200), (4, 4, 201), (5, 4, 1_500_000_000)]),
    "train_full": frame([(1, 1, 0), (1, 2, 60), (2, 2, 100), (2, 3, 101), (3, 3, 102)]),
}


@pytest.mark.parametrize("kind", ["frames", "tables"])
def test_a_row_per_part(kind: str) -> None:
    connection = local_connection()
    parts = PARTS if kind == "frames" else {
        name: connection.create_table(
            f"statistics_{name}", pa.Table.from_pandas(part), temp=True, overwrite=True
        )
        for name, part in PARTS.items()
    }  # fmt: skip
    found = describe_parts(parts).set_index("part")
    assert found.loc["train", ["events", "sessions", "items"]].tolist() == [2, 1, 2]
    assert found.loc["test", ["first_time", "last_time"]].tolist() == [200, 1_500_000_000]
    # 200 is a position, or some other number that only orders events
    assert found.loc["test", ["first_date", "last_date"]].tolist() == [
        "",
        "2017-07-14T02:40:00+00:00",
    ]
    assert found["mean_length"].to_dict() == {
        "train": 2 / 1,
        "valid": 3 / 2,
        "test": 3 / 2,
        "train_full": 5 / 3,
    }
    # valid is compared with train, test with train_full
    assert found["unknown_items"].to_dict() == {"train": 0, "valid": 1, "test": 1, "train_full": 0}
    assert found["unknown_events"].to_dict() == {"train": 0, "valid": 2, "test": 2, "train_full": 0}


def test_without_train_full_test_is_compared_with_train() -> None:
    found = describe_parts({name: PARTS[name] for name in ("train", "test")})
    assert found["unknown_items"].tolist() == [0, 2]
    assert describe_parts({"test": PARTS["test"]})["unknown_items"].tolist() == [0]


def test_text_items_and_an_empty_part() -> None:
    part = frame([("a", "x", 1), ("a", "y", 2)])
    found = describe_parts({"train": part, "valid": part.head(0), "test": part.replace("y", "z")})
    empty = found.iloc[1]
    assert empty[["events", "sessions", "items", "unknown_items"]].tolist() == [0, 0, 0, 0]
    assert math.isnan(empty["mean_length"])
    assert math.isnan(empty["first_time"])
    assert empty["last_date"] == ""
    assert found["unknown_items"].tolist() == [0, 0, 1]


def test_missing_column() -> None:
    with pytest.raises(DataError, match="lacks the column 'Time'"):
        describe_parts({"train": PARTS["train"].drop(columns="Time")})
