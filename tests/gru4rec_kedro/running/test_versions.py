import re

import pytest
from kedro.io import DataCatalog, Version
from kedro.pipeline import Node, Pipeline

from gru4rec import ConfigError
from gru4rec_kedro.datasets import JSONDataset
from gru4rec_kedro.running import versions
from gru4rec_kedro.running.versions import make_newest

PIPELINE = Pipeline([Node(len, "params", "model", name="train"), Node(len, "model", "metrics")])
NOW = "2026-11-29T05.57.01.535Z"


@pytest.fixture
def catalog(tmp_path):
    def make(save=NOW, load=None):
        datasets = {
            name: JSONDataset(filepath=f"{tmp_path}/{name}.json", version=Version(load, save))
            for name in ("model", "metrics")
        }
        return DataCatalog(datasets | {"params": JSONDataset(filepath=f"{tmp_path}/p.json")})

    return make


def save_versions(catalog):
    return [catalog.get(name).resolve_save_version() for name in ("model", "metrics")]


def test_without_a_later_version_the_clock_names_it(catalog):
    for others in ([], ["2026-11-29T05.57.01.534Z", "2020-01-01T00.00.00.000Z"]):
        for version in others:
            catalog(version).save("model", 1)
        now = catalog()
        make_newest(now, PIPELINE)
        assert save_versions(now) == [NOW, NOW]


@pytest.mark.parametrize(
    ("newest", "expected"),
    [
        ("2999-01-01T00.00.00.000Z", "2999-01-01T00.00.00.001Z"),
        ("2999-12-31T23.59.59.999Z", "3000-01-01T00.00.00.000Z"),
    ],
)
def test_a_clock_that_went_back_names_one_version_just_after_the_newest(
    catalog, caplog, newest, expected
):
    catalog(newest).save("metrics", 1)
    now = catalog()
    make_newest(now, PIPELINE)
    assert save_versions(now) == [expected, expected]
    assert f"clock is behind {newest}" in caplog.text
    now.save("model", 2)
    now.save("metrics", 3)
    assert catalog().load("metrics") == 3


def test_after_a_run_that_began_later_and_ended_first_the_clock_names_it_again(
    catalog, caplog, monkeypatch
):
    after_the_wait = "2026-11-29T05.57.03.000Z"
    monkeypatch.setattr(versions, "generate_timestamp", lambda: after_the_wait)
    catalog("2026-11-29T05.57.02.000Z").save("model", 1)
    now = catalog()
    make_newest(now, PIPELINE)
    assert save_versions(now) == [after_the_wait] * 2
    assert caplog.messages == []


def test_the_version_of_load_versions_stays(catalog):
    catalog("2999-01-01T00.00.00.000Z").save("model", 1)
    catalog("2020-01-01T00.00.00.000Z").save("model", 0)
    now = catalog(load="2020-01-01T00.00.00.000Z")
    make_newest(now, PIPELINE)
    assert now.load("model") == 0


@pytest.mark.parametrize("last", ["best", "9999-12-31T23.59.59.999Z"])
def test_what_nothing_comes_after_is_refused(catalog, tmp_path, last):
    catalog(last).save("model", 1)
    with pytest.raises(ConfigError, match=rf"{re.escape(str(tmp_path))}/model.json .* {last!r}"):
        make_newest(catalog(), PIPELINE)
