import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from gru4rec import GRU4Rec
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running import tracking
from gru4rec_kedro.running.tracking import TrackingHooks


class Pipeline:
    def all_outputs(self) -> set[str]:
        return {"model"}


def test_a_server_that_cannot_be_reached_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address = "https://me:hunter2@tracking.example"

    def connect(uri: str) -> Any:
        raise OSError(f"no route to {uri}; hunter2 is refused")

    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=connect))
    hooks = TrackingHooks()
    files = {"mlflow": {"tracking_uri": address}, "parameters": {}}
    hooks.after_context_created(SimpleNamespace(config_loader=files))
    with pytest.raises(RunError, match=r"reach tracking_uri 'https://…@tracking\.ex") as caught:
        hooks.before_pipeline_run({}, Pipeline())
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
@pytest.mark.filterwarnings("ignore")  # of MLflow itself
def test_each_model_is_a_version_that_mlflow_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    log = pd.DataFrame({"SessionId": [1, 1, 2, 2], "ItemId": [7, 8, 7, 9], "Time": range(4)})
    gru = GRU4Rec(layers=[4], n_sample=4, n_epochs=1, device="cpu").fit(log)
    gru.save(tmp_path / "gru4rec.pth")
    monkeypatch.setattr(tracking, "file_of", lambda _: tmp_path / "gru4rec.pth")
    store = f"sqlite:///{tmp_path}/mlflow.db"
    options = {"tracking_uri": store, "artifacts": str(tmp_path / "artifacts")}
    files = {"mlflow": {**options, "registered_model": "shop"}, "parameters": {}}
    catalog: Any = SimpleNamespace(get=lambda name: name)
    run = {"run_id": "run", "env": None, "pipeline_names": None}
    for _ in range(2):
        hooks = TrackingHooks()
        hooks.after_context_created(SimpleNamespace(config_loader=files))
        hooks.before_pipeline_run(run, Pipeline())
        hooks.after_pipeline_run({"model": gru}, Pipeline(), catalog)

    client = mlflow.MlflowClient(store)
    versions = client.search_model_versions("name = 'shop'")
    assert {version.version for version in versions} == {1, 2}
    assert {client.get_run(version.run_id).info.status for version in versions} == {"FINISHED"}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    for where in ("models:/shop/2", f"runs:/{versions[0].run_id}/model"):
        best = mlflow.pyfunc.load_model(where).predict(pd.DataFrame({"items": [[7]]}))
        assert best["items"][0] == gru.recommend([[7]])["item"].tolist()
