import ibis
import pandas as pd

from gru4rec import DataConfig, GRU4Rec, LoadingConfig
from gru4rec_kedro.datasets import GRU4RecDataset, PartsDataset
from gru4rec_kedro.options.parameters import RecommendationConfig
from gru4rec_kedro.pipelines.recommendation.nodes import recommend_items


def test_ids_that_look_like_paths_name_no_file(tmp_path):
    ids = [
        "../../x",
        "/home/x",
        "a/b/c",
        "..",
        "part-00009.parquet",
        "%2e%2e/x",
        "C:\\x",
        "a*{b,c}",
    ]
    items = ids * 2 + ids[::-1] * 2
    log = pd.DataFrame({"SessionId": ids * 4, "ItemId": items, "Time": range(32)})
    stored = GRU4RecDataset(filepath=str(tmp_path / "deep/folder/gru.pth"), device="cpu")
    stored.save(GRU4Rec(layers=[4], n_sample=4, n_epochs=1, device="cpu").fit(log))
    parts = PartsDataset(path=str(tmp_path / "deep/folder/parts"))
    options = RecommendationConfig(k=3, sessions_per_part=3)
    table = ibis.memtable(log)
    parts.save(
        recommend_items(
            table, stored.load(), None, DataConfig(), LoadingConfig(time_unit="ordinal"), options
        )
    )
    found = parts.load().to_pyarrow()
    assert set(found["session"].to_pylist()) == set(ids)
    assert set(found["item"].to_pylist()) <= set(ids)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    names = [f"parts/part-0000{number}.parquet" for number in range(3)]
    others = ("gru.pth", ".parts.runs/lock", "parts/_SUCCESS")
    assert written == {f"deep/folder/{name}" for name in (*others, *names)}
