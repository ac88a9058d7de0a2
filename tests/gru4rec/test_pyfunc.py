"""An MLflow model answers as the model does, and nothing in it is pickled."""

import json
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gru4rec import GRU4Rec, MissingExtraError, pyfunc

PAGE = (Path(__file__).parents[2] / "docs/serving.md").read_text()


@pytest.fixture(scope="module", params=[False, True], ids=["integers", "text"])
def gru(request: pytest.FixtureRequest) -> GRU4Rec:
    items = pd.Series(np.random.default_rng(0).permutation(240) % 30)
    items = "item " + items.astype(str) if request.param else items
    events = {"SessionId": np.arange(240) // 4, "ItemId": items, "Time": np.arange(240)}
    return GRU4Rec(layers=[6], n_sample=8, n_epochs=1, device="cpu").fit(pd.DataFrame(events))


def sessions_of(gru: GRU4Rec) -> pd.DataFrame:
    first, second, third = gru.vocabulary.ids[:3].tolist()
    # arrays is what Spark gives
    items = [[first, second], np.array([third]), []]
    return pd.DataFrame({"items": items}, index=["anna", "ben", "eve"])


def test_each_row_has_its_best_items(gru: GRU4Rec) -> None:
    sessions = sessions_of(gru)
    for options in ({}, {"k": 4}, {"k": 30, "exclude_seen": True}):
        best = pyfunc.SessionModel(gru).predict(sessions, options)
        assert best.index.tolist() == ["anna", "ben", "eve"]
        for session, items in sessions["items"].items():
            expected = gru.recommend([list(items)], **options)
            assert best["items"][session] == expected["item"].tolist()
            assert best["scores"][session] == pytest.approx(expected["score"].tolist(), abs=1e-5)
    assert len(pyfunc.SessionModel(gru).predict(sessions)["items"]["anna"]) == 20


def test_the_request_of_the_documentation_is_answered(gru: GRU4Rec) -> None:
    [body] = re.findall(r"-d '(\{\"dataframe_records.*)'", PAGE)
    request = json.loads(body)
    if gru.vocabulary.holds_text:  # the page's ids are integers
        request["dataframe_records"] = [{"items": ["item 3"]}]
    rows = pd.DataFrame(request["dataframe_records"])
    best = pyfunc.SessionModel(gru).predict(rows, request["params"])
    assert [len(items) for items in best["items"]] == [5]


def test_no_rows_have_no_answers(gru: GRU4Rec) -> None:
    assert pyfunc.SessionModel(gru).predict(sessions_of(gru).head(0)).empty


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtraError, match=r"pip install -e '\.\[mlflow\]'"):
        pyfunc.save_pyfunc(tmp_path / "model.pth", tmp_path / "folder")


@pytest.mark.skipif(find_spec("mlflow") is None, reason="MLflow is not installed")
@pytest.mark.filterwarnings("ignore")  # of MLflow itself
def test_mlflow_loads_it_with_its_signature(
    gru: GRU4Rec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    monkeypatch.chdir(tmp_path)
    gru.save("model.pth")
    code = re.findall(r"^    (.*save_pyfunc.*)$", PAGE, re.MULTILINE)
    exec("\n".join(code))  # noqa: S102  (from the page: writes mlflow_model)

    files = [path for path in Path("mlflow_model").rglob("*") if path.is_file()]
    assert "model.pth" in {path.name for path in files}
    assert not {".pkl", ".pickle", ".py"} & {path.suffix for path in files}
    model = mlflow.pyfunc.load_model("mlflow_model")
    sessions = sessions_of(gru)
    best = model.predict(sessions, params={"k": 4})
    pd.testing.assert_frame_equal(best, pyfunc.SessionModel(gru).predict(sessions, {"k": 4}))
    kind = "string" if gru.vocabulary.holds_text else "long"
    schema = f"['items': Array({kind}) (required)]"
    assert str(model.metadata.signature.inputs) == schema
    with pytest.raises(mlflow.MlflowException, match="Failed to enforce schema"):
        model.predict(pd.DataFrame({"sessions": [[1]]}))
    assert model.input_example["items"].tolist() == [gru.vocabulary.ids[:2].tolist()]
