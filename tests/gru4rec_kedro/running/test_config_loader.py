import shutil
from pathlib import Path

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from gru4rec_kedro.errors import RunError
from gru4rec_kedro.running.config_loader import ConfigLoader

PROJECT = Path(__file__).parents[3]


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    shutil.copytree(PROJECT / "conf", tmp_path / "conf")
    return tmp_path / "conf"


def load(conf: Path, **params: str) -> ConfigLoader:
    bootstrap_project(PROJECT)
    with KedroSession.create(
        PROJECT, env="test", conf_source=str(conf), runtime_params=params
    ) as session:
        return session.load_context().config_loader


@pytest.mark.parametrize("kind", ["parameters", "globals", "catalog"])
def test_where_and_why_a_file_is_not_yaml(conf: Path, kind: str) -> None:
    (conf / f"test/{kind}.yml").write_text("first: 1\n\tsecond: 2\n")
    with pytest.raises(RunError) as caught:
        load(conf)
    assert f"test/{kind}.yml: line 2, column 1: found character '\\t'" in str(caught.value)
    assert "line 1, position" not in str(caught.value)


def test_a_reference_to_nothing_is_one_message(conf: Path) -> None:
    (conf / "test/catalog.yml").write_text("train:\n  type: X\n  filepath: ${globals:outptus}\n")
    with pytest.raises(RunError, match=r"^catalog\.yml: .*outptus.*not found[^\n]*$"):
        load(conf)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("outptus: data/shop", r"outptus: unknown option; did you mean 'outputs'\?"),
        ("memory_limt: 4GB", r"memory_limt: unknown option; did you mean 'memory_limit'\?"),
        ("memory_limit: 4", r"memory_limit: .*string \(got 4\)"),
    ],
)
def test_a_misspelt_name_in_globals_is_refused(conf: Path, written: str, message: str) -> None:
    (conf / "test/globals.yml").write_text(written)
    with pytest.raises(RunError, match=rf"^globals\.yml has 1 mistake\(s\):\n  {message}$"):
        load(conf)


def test_templates_of_globals_are_no_options(conf: Path) -> None:
    (conf / "test/globals.yml").write_text("_root: data/shop\noutputs: ${_root}/1\n")
    assert load(conf)["globals"]["outputs"] == "data/shop/1"


def test_globals_may_have_names_of_the_users_own(conf: Path) -> None:
    (conf / "test/globals.yml").write_text("shop: /mnt/shop\noutputs: ${shop}/1\n")
    assert load(conf)["globals"]["outputs"] == "/mnt/shop/1"


def test_a_path_in_the_catalog_that_params_would_not_change(conf: Path) -> None:
    entry = "raw_log:\n  type: gru4rec_kedro.datasets.RawLogDataset\n  filepath: "
    (conf / "test/catalog.yml").write_text(entry + "x.csv")
    with pytest.raises(RunError, match=r"reads 'x\.csv'"):
        load(conf, events="other.csv")
    (conf / "test/catalog.yml").write_text(entry + "${runtime_params:events, x.csv}")
    assert load(conf, events="other.csv")["catalog"]["raw_log"]["filepath"] == "other.csv"


@pytest.mark.parametrize("kind", ["parameters", "globals", "catalog"])
@pytest.mark.parametrize(
    ("written", "message"),
    [
        (
            "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
            + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 9)),
            "aliases .* stand for",
        ),
        ("a: " + "[" * 5000 + "]" * 5000, "nested more than 50 levels"),
    ],
    ids=["aliases", "brackets"],
)
def test_a_file_that_stands_for_more_than_can_be_read_is_refused(
    conf: Path, kind: str, written: str, message: str
) -> None:
    (conf / f"test/{kind}.yml").write_text(written)
    with pytest.raises(RunError, match=rf"test/{kind}\.yml cannot be read: .*{message}"):
        load(conf)


def test_a_store_has_the_credentials_of_its_name(conf: Path) -> None:
    (conf / "test/credentials.yml").write_text("s3: {key: me}\ndev_s3: {key: other}\n")
    (conf / "test/catalog.yml").write_text(
        "mine: {type: X, filepath: 's3://shop/a', credentials: dev_s3}\n"
        "folder: {type: X, path: 's3://shop/b'}\n"
        "web: {type: X, filepath: 'https://shop.org/a'}\n"
        "home: {type: X, filepath: ~/a}\n"
    )
    entries = load(conf, outputs="s3://shop/run")["catalog"]
    assert entries["mine"]["credentials"] == "dev_s3"
    assert entries["folder"]["credentials"] == "s3"
    assert entries["report"]["filepath"] == "s3://shop/run/08_reporting/report.html"
    assert entries["report"]["credentials"] == "s3"
    assert "credentials" not in entries["web"]
    assert "credentials" not in entries["raw_log"]
    assert entries["home"] == {"type": "X", "filepath": str(Path.home() / "a")}


def test_outputs_of_the_command_line_are_those_of_the_run(conf: Path) -> None:
    loader = load(conf, outputs="elsewhere")
    assert loader["globals"]["outputs"] == "elsewhere"
    assert loader["catalog"]["train"]["filepath"] == "elsewhere/05_model_input/train.parquet"
    with pytest.raises(
        RunError, match=r"outputs: https://shop\.org/run: files at https:// are only"
    ):
        load(conf, outputs="https://shop.org/run?signature=it")
    (conf / "test/parameters.yml").write_text("outputs: elsewhere\n")
    with pytest.raises(RunError, match="outputs stands in a file of parameters, where it has no"):
        load(conf)


@pytest.mark.parametrize(
    ("events", "read"),
    [
        ("main.shop.clicks", {"table": "main.shop.clicks"}),
        ("~/clicks", {"filepath": str(Path.home() / "clicks")}),
        ("logs/*.parquet", {"filepath": str(PROJECT / "logs/*.parquet")}),
        ("s3://shop/clicks", {"filepath": "s3://shop/clicks"}),
    ],
)
def test_a_table_of_spark_with_a_slash_is_files(
    conf: Path, events: str, read: dict[str, str]
) -> None:
    (conf / "test/catalog.yml").write_text((conf / "spark/catalog.yml").read_text())
    (conf / "test/globals.yml").write_text((conf / "spark/globals.yml").read_text())
    (conf / "test/credentials.yml").write_text("s3: {key: me}\n")
    bootstrap_project(PROJECT)
    options = {"events": events}
    with KedroSession.create(
        PROJECT, env="test", conf_source=str(conf), runtime_params=options
    ) as session:
        dataset = session.load_context().catalog["raw_log"]
    assert dataset._describe() == {**read, "stored_as": "parquet"}
