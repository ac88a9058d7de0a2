"""What is not public in Kedro is as the project expects it; an upgrade may tell otherwise."""

from pathlib import Path

import pytest
from kedro.config import OmegaConfigLoader
from kedro.framework.project import configure_project, find_pipelines, pipelines
from kedro.io import MemoryDataset, Version
from yaml import YAMLError

from gru4rec_kedro.datasets import JSONDataset
from gru4rec_kedro.kedro_internals import (
    configuration_files,
    file_of,
    has_version,
    missing_pipeline,
    set_save_version,
    unreadable_file,
    unwrapped,
)


def test_the_file_of_a_dataset_is_that_of_its_newest_version(tmp_path):
    path = tmp_path / "metrics.json"
    assert file_of(JSONDataset(filepath=str(path))) == path
    for version in ("2026", "2025"):
        JSONDataset(filepath=str(path), version=Version(None, version)).save({})
    dataset = JSONDataset(filepath=str(path), version=Version(None, "2027"))
    assert file_of(dataset) == path / "2026/metrics.json"
    assert [has_version(dataset, version) for version in ("2025", "2027")] == [True, False]


def test_what_is_kept_in_memory_has_no_file():
    assert file_of(MemoryDataset()) is None


def test_a_changed_save_version_is_where_data_go(tmp_path):
    dataset = JSONDataset(filepath=f"{tmp_path}/a.json", version=Version(None, "2026"))
    set_save_version(dataset, "2027")
    dataset.save({})
    assert [folder.name for folder in (tmp_path / "a.json").iterdir()] == ["2027"]


def test_a_dataset_without_versions_stays_without(tmp_path):
    dataset = JSONDataset(filepath=f"{tmp_path}/a.json")
    set_save_version(dataset, "2027")
    assert dataset.resolve_save_version() is None


def test_an_unwrapped_method_lets_errors_through():
    class Broken(MemoryDataset):
        def load(self):
            raise KeyError("as it was raised")

    with pytest.raises(KeyError, match="as it was raised"):
        unwrapped(Broken.load)(Broken())


def test_configuration_is_read_from_the_base_and_the_environment(tmp_path):
    for name in ("base/catalog.yml", "base/catalog_more.yml", "shop/catalog.yml", "no/catalog.yml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"in: {name}")
    (tmp_path / "base/catalog_folder.yml").mkdir()
    loader = OmegaConfigLoader(str(tmp_path), env="shop", base_env="base")
    read = {
        str(Path(path).relative_to(tmp_path)): text
        for path, text in configuration_files(loader, "catalog")
    }
    assert read == {
        name: f"in: {name}".encode()
        for name in ("base/catalog.yml", "base/catalog_more.yml", "shop/catalog.yml")
    }


def test_kedros_message_names_a_file_that_is_not_yaml(tmp_path):
    path = tmp_path / "base/catalog.yml"
    path.parent.mkdir()
    path.write_text("a: [")
    loader = OmegaConfigLoader(str(tmp_path), base_env="base", default_run_env="base")
    with pytest.raises(YAMLError) as caught:
        loader["catalog"]
    assert unreadable_file(caught.value).endswith(str(path))


def test_kedros_error_names_a_pipeline_that_there_is_not(monkeypatch):
    configure_project("gru4rec_kedro")
    monkeypatch.setattr(pipelines, "_requested_pipelines", ["modeling"])
    with pytest.raises(ImportError) as caught:
        find_pipelines(raise_errors=True)
    assert missing_pipeline(caught.value) == "modeling"
    caught.value.__cause__ = ImportError("no module of that name")
    assert missing_pipeline(caught.value) is None
