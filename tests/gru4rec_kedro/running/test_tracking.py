import sys
from types import SimpleNamespace
from typing import Any

import pytest

from gru4rec_kedro.errors import RunError
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
