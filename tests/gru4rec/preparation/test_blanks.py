import string
from pathlib import Path

import pandas as pd
import pytest

from gru4rec.config import DataConfig, LoadingConfig
from gru4rec.errors import DataError
from gru4rec.preparation import load_events, private_connection
from gru4rec.preparation.blanks import has_blanks, without_blanks
from gru4rec.preparation.memory_tables import frame_to_table
from gru4rec.preparation.reading import read_log

T0 = 1_500_000_000


def test_blanks_go_from_both_ends_only() -> None:
    blanks = [*string.whitespace, "\u00a0", " \u00a0", "\u00a0\t"]
    bare = ("a\u00a0b", "é", "")
    texts = [f"{one}{text}{other}" for one in blanks for text in bare for other in blanks]
    texts += ["a", "日本", "\u0430", "\u200b", ""]
    table = frame_to_table(private_connection(), pd.DataFrame({"text": texts}), ["text"])
    found = table.select(bare=without_blanks(table.text), has=has_blanks(table.text)).to_pandas()
    assert found["bare"].tolist() == [text.strip() for text in texts]
    assert found["has"].tolist() == [text != text.strip() or not text for text in texts]


@pytest.mark.parametrize("blank", ["\u00a0", " \u00a0"])
def test_no_break_spaces_around_ids_do_not_count(
    tmp_path: Path, blank: str, caplog: pytest.LogCaptureFixture
) -> None:
    items = ["10", f"{blank}10", f"11{blank}", f"{blank}12.0{blank}"]
    log = pd.DataFrame({"SessionId": 1, "ItemId": items, "Time": range(T0, T0 + 4)})
    log.to_csv(tmp_path / "log.csv", index=False)
    found = load_events(read_log(tmp_path / "log.csv"), DataConfig(), LoadingConfig())
    assert found.order_by("Time").to_pandas()["ItemId"].tolist() == [10, 10, 11, 12]
    assert "3 ids such as" in caplog.text
    for nothing in (blank, blank * 20, f"{blank}NULL{blank}"):
        with pytest.raises(DataError, match=r"Missing values .*'ItemId' has 1"):
            load_events(log.assign(ItemId=["a", "b", "c", nothing]), DataConfig(), LoadingConfig())
    kinds = log.assign(kind=["buy", f"view{blank}", f"{blank}view", "buy"])
    views = LoadingConfig(event_key="kind", event_types=["view"])
    assert len(load_events(kinds, DataConfig(), views)) == 2
