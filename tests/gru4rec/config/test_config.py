from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gru4rec.config import (
    Config,
    DataConfig,
    DataSplitConfig,
    EvaluationConfig,
    LoadingConfig,
    ModelConfig,
    Section,
    SessionFilterConfig,
    TrainingConfig,
    as_config,
    load_config,
)
from gru4rec.errors import ConfigError, GRU4RecError

# word for word from the requirements
SEED = """\
model:
  layers: [10]
  loss: cross-entropy
  batch_size: 2
  dropout_p_embed: 0.0
  dropout_p_hidden: 0.0
  learning_rate: 0.05
  momentum: 0.0
  sample_alpha: 0.5
  n_sample: 2048
  embedding: 0
  constrained_embedding: true
  n_epochs: 1
  bpreg: 1.0
  elu_param: 0.5
  logq: 0.0
  device: cpu

data:
  session_key: SessionId
  item_key: ItemId
  time_key: Time

data_split:
  valid_fraction: 0.1
  test_fraction: 0.1

training:
  sample_cache_max_size: 10000000
  compatibility_mode: true

evaluation:
  cutoff: [20]
  batch_size: 512
  mode: conservative

paths:
  model_save: model.pth
  model_load: model.pth
"""

LoadText = Callable[[str], Config]


@pytest.fixture
def load_text(tmp_path: Path) -> LoadText:
    def load(text: str) -> Config:
        path = tmp_path / "config.yaml"
        path.write_text(text, encoding="utf-8")
        return load_config(path)

    return load


def mistakes_of(section: type[Section], **options: Any) -> str:
    with pytest.raises(ConfigError) as raised:
        section.parse(options, origin="here")
    return str(raised.value)


# --- the seed's file ---


def test_the_seeds_file_loads_with_every_option(load_text: LoadText) -> None:
    config = load_text(SEED)

    assert dict(config["model"]) == {
        "layers": [10],
        "loss": "cross-entropy",
        "batch_size": 2,
        "dropout_p_embed": 0.0,
        "dropout_p_hidden": 0.0,
        "learning_rate": 0.05,
        "momentum": 0.0,
        "sample_alpha": 0.5,
        "n_sample": 2048,
        "embedding": 0,
        "constrained_embedding": True,
        "n_epochs": 1,
        "bpreg": 1.0,
        "elu_param": 0.5,
        "logq": 0.0,
        "device": "cpu",
        "seed": ModelConfig().seed,
        "precision": "float32",
    }
    assert dict(config["data"]) == {
        "session_key": "SessionId",
        "item_key": "ItemId",
        "time_key": "Time",
    }
    assert config["data_split"]["valid_fraction"] == config["data_split"]["test_fraction"] == 0.1
    assert dict(config["training"]) == {
        "sample_cache_max_size": 10_000_000,
        "compatibility_mode": True,
        "checkpoint_minutes": 10.0,
        "checkpoint_epochs": None,
        "resume": False,
        "patience": None,
        "metric": "mrr@20",
        "min_delta": 0.0,
        "retire_after_days": None,
        "learning_rate_decay": 1.0,
    }
    assert dict(config["evaluation"]) == {
        "cutoff": [20],
        "batch_size": 512,
        "mode": "conservative",
        "metrics": ["recall", "mrr", "ndcg"],
        "targets": "all",
        "exclude_seen": False,
    }
    assert dict(config["paths"]) == {"model_save": "model.pth", "model_load": "model.pth"}


def test_the_example_file_is_the_seeds() -> None:
    example = Path(__file__).parents[3] / "conf" / "example.yaml"

    assert example.read_text(encoding="utf-8") == SEED


def test_sections_that_are_left_out_have_their_defaults(load_text: LoadText) -> None:
    assert load_text("") == Config()
    assert load_text("model: {n_epochs: 3}") == Config(model=ModelConfig(n_epochs=3))


# --- sections are mappings ---


def test_a_section_is_a_mapping() -> None:
    section = DataConfig(item_key="sku")

    assert {**section} == {"session_key": "SessionId", "item_key": "sku", "time_key": "Time"}
    assert section["item_key"] == section.item_key == "sku"
    assert list(section) == ["session_key", "item_key", "time_key"]
    assert len(section) == 3
    assert "time_key" in section
    assert section.get("model_dump") is None
    with pytest.raises(KeyError, match="cutoff"):
        section["cutoff"]


def test_a_section_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ModelConfig().n_epochs = 5  # type: ignore[misc]


def test_a_mapping_of_sections_is_validated() -> None:
    config = Config()

    assert as_config(config) is config
    assert as_config({"model": {"layers": [3]}}).model.layers == [3]
    with pytest.raises(ConfigError, match="did you mean 'model'"):
        as_config({"modle": {}})


# --- mistakes ---


def test_all_mistakes_are_in_one_report(load_text: LoadText) -> None:
    text = """
    modell: {}
    model: {layers: [], los: bpr-max, learning_rate: 0, device: tpu, batch_size: many}
    evaluation: {mode: strict, cutoff: [0]}
    data: {session_key: a, item_key: a}
    """

    with pytest.raises(ConfigError) as raised:
        load_text(text)

    first, *lines = str(raised.value).splitlines()
    assert first.endswith("config.yaml has 9 mistake(s):")
    assert sorted(line.split(": ")[0].strip() for line in lines) == [
        "data",
        "evaluation.cutoff.0",
        "evaluation.mode",
        "model.batch_size",
        "model.device",
        "model.layers",
        "model.learning_rate",
        "model.los",
        "modell",
    ]
    assert "  modell: unknown option; did you mean 'model'?" in lines
    assert "  model.los: unknown option; did you mean 'loss'?" in lines
    assert "  model.device: expected auto, cpu, mps, cuda or cuda:N (got 'tpu')" in lines


def test_a_name_like_no_other_is_answered_with_all_names() -> None:
    message = mistakes_of(EvaluationConfig, xyz=1)

    assert "xyz: unknown option; known are cutoff, batch_size, mode" in message


@pytest.mark.parametrize(
    ("section", "options", "message"),
    [
        (ModelConfig, {"layers": []}, "layers: List should have at least 1 item"),
        (ModelConfig, {"layers": [10, 0]}, "layers.1: Input should be greater than 0 (got 0)"),
        (ModelConfig, {"layers": [2.5]}, "layers.0: Input should be a valid integer"),
        (ModelConfig, {"layers": 10}, "layers: Input should be a valid list (got 10)"),
        (ModelConfig, {"loss": "top1"}, "(got 'top1')"),
        (ModelConfig, {"batch_size": 0}, "batch_size: Input should be greater than 0"),
        (ModelConfig, {"dropout_p_embed": 1}, "dropout_p_embed: Input should be less than 1"),
        (ModelConfig, {"dropout_p_hidden": -0.1}, "greater than or equal to 0 (got -0.1)"),
        (ModelConfig, {"learning_rate": 0}, "learning_rate: Input should be greater than 0"),
        (ModelConfig, {"learning_rate": "fast"}, "(got 'fast')"),
        (ModelConfig, {"learning_rate": float("inf")}, "should be a finite number"),
        (ModelConfig, {"logq": float("nan")}, "logq: Input should be a finite number"),
        (ModelConfig, {"momentum": 1}, "momentum: Input should be less than 1"),
        (ModelConfig, {"n_sample": -1}, "n_sample: Input should be greater than or equal to 0"),
        (ModelConfig, {"n_epochs": 0}, "n_epochs: Input should be greater than 0"),
        (ModelConfig, {"embedding": "layer"}, "Input should be 'layersize' (got 'layer')"),
        (ModelConfig, {"embedding": -1}, "greater than or equal to 0 (got -1)"),
        (ModelConfig, {"constrained_embedding": "perhaps"}, "should be a valid boolean"),
        (ModelConfig, {"device": "cuda:x"}, "device: expected auto, cpu, mps, cuda or cuda:N"),
        (ModelConfig, {"seed": -1}, "seed: Input should be greater than or equal to 0"),
        (ModelConfig, {"n_sample": 0, "batch_size": 1}, "leaves no negative item to learn from"),
        (DataConfig, {"item_key": "Time"}, "must name three columns"),
        (LoadingConfig, {"time_unit": "minutes"}, "'s', 'ms', 'us', 'ns', 'timestamp' or"),
        (LoadingConfig, {"session_gap": 0}, "session_gap: Input should be greater than 0"),
        (LoadingConfig, {"event_types": ["click"]}, "event_key and event_types go together"),
        (LoadingConfig, {"event_key": "type"}, "event_key and event_types go together"),
        (SessionFilterConfig, {"min_session_length": 0}, "greater than 0"),
        (DataSplitConfig, {"test_fraction": 1}, "test_fraction: Input should be less than 1"),
        (DataSplitConfig, {"test_fraction": 0.6, "valid_fraction": 0.4}, "something to train on"),
        (DataSplitConfig, {"test_from": 5, "test_days": 1}, "set test_from or test_days"),
        (DataSplitConfig, {"valid_from": 5, "valid_days": 1}, "set valid_from or valid_days"),
        (DataSplitConfig, {"valid_from": 5, "test_from": 5}, "valid_from must be before test_from"),
        (DataSplitConfig, {"test_from": "soon"}, "(got 'soon')"),
        (TrainingConfig, {"sample_cache_max_size": 0}, "greater than 0"),
        (EvaluationConfig, {"cutoff": []}, "cutoff: List should have at least 1 item"),
        (EvaluationConfig, {"mode": "strict"}, "'conservative', 'standard' or 'median'"),
    ],
)
def test_impossible_values_are_refused(
    section: type[Section], options: dict[str, Any], message: str
) -> None:
    assert message in mistakes_of(section, **options)


@pytest.mark.parametrize(
    ("section", "options"),
    [
        (ModelConfig, {"n_epochs": True}),
        (ModelConfig, {"learning_rate": True}),
        (ModelConfig, {"loss": False}),
        (ModelConfig, {"embedding": False}),
        (ModelConfig, {"layers": [True]}),
        (EvaluationConfig, {"cutoff": [20, True]}),
        (DataSplitConfig, {"test_from": True}),
    ],
)
def test_a_boolean_is_no_number(section: type[Section], options: dict[str, Any]) -> None:
    assert "a number or text is expected, not a boolean" in mistakes_of(section, **options)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        # published optima lie outside the ranges that are advised
        ("learning_rate", 0.3),
        ("learning_rate", 1e-6),
        ("batch_size", 8),
        ("layers", [1]),
        ("layers", [1000, 512]),
        ("sample_alpha", 1.3),
        ("sample_alpha", 0),
        ("bpreg", 5.9),
        ("elu_param", 0),
        ("elu_param", 2),
        ("momentum", 0.99),
        ("dropout_p_embed", 0.9),
        ("n_sample", 0),
        ("embedding", "layersize"),
        ("embedding", 96),
        ("device", "cuda:3"),
        ("seed", 2**63 - 1),
    ],
)
def test_advice_is_no_limit(option: str, value: Any) -> None:
    assert ModelConfig.parse({option: value}, "here")[option] == value


def test_numbers_may_be_written_as_powers_of_ten(load_text: LoadText) -> None:
    # which PyYAML reads as text
    assert load_text("model: {learning_rate: 1e-4}").model.learning_rate == 1 / 10_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-02", datetime(2020, 1, 2, tzinfo=UTC)),
        ("2020-01-02 03:04:05", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("'2020-01-02'", datetime(2020, 1, 2, tzinfo=UTC)),
        ("'2020-01-02T03:04:05'", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("'2020-01-02T03:04:05+02:00'", datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2020-01-02T03:04:05+02:00", datetime(2020, 1, 2, 1, 4, 5, tzinfo=UTC)),
        ("2020-01-02T03:04:05Z", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("1577934245", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("'1577934245.0'", datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)),
    ],
)
def test_a_boundary_is_a_date_or_a_number(
    load_text: LoadText, text: str, expected: datetime
) -> None:
    split = load_text(f"data_split: {{test_from: {text}}}").data_split

    assert split.test_from == expected.timestamp()


# --- files ---


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration file .*nowhere\.yaml"):
        load_config(tmp_path / "nowhere.yaml")
    with pytest.raises(ConfigError, match="Cannot read the configuration file"):
        load_config(tmp_path)


@pytest.mark.parametrize("text", ["model: {layers: [10", "a: b: c", "model:\n\t- 1"])
def test_what_is_not_yaml_is_refused(load_text: LoadText, text: str) -> None:
    with pytest.raises(ConfigError, match=r"Cannot read the configuration file .*config\.yaml"):
        load_text(text)


def test_what_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe\xfa")

    with pytest.raises(ConfigError, match="Cannot read the configuration file"):
        load_config(str(tmp_path / "config.yaml"))


@pytest.mark.parametrize(("text", "kind"), [("- model", "list"), ("hello", "str"), ("5", "int")])
def test_what_has_no_sections_is_refused(load_text: LoadText, text: str, kind: str) -> None:
    with pytest.raises(ConfigError, match=rf"holds {kind}, but sections such as 'model:'"):
        load_text(text)


@pytest.mark.parametrize("text", ["model: 5", "model: [1]", "1: 2"])
def test_what_is_no_section_is_refused(load_text: LoadText, text: str) -> None:
    with pytest.raises(ConfigError, match=r"has 1 mistake\(s\):\n  (model|1): "):
        load_text(text)


def test_yaml_runs_no_code(load_text: LoadText, tmp_path: Path) -> None:
    marker = tmp_path / "marker"

    with pytest.raises(ConfigError, match="Cannot read the configuration file"):
        load_text(f"model: !!python/object/apply:os.mkdir ['{marker}']")

    assert not marker.exists()


def test_mistakes_can_be_caught_by_either_name() -> None:
    assert issubclass(ConfigError, GRU4RecError)
    assert issubclass(ConfigError, ValueError)


def test_a_date_that_does_not_exist_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data_split:\n  test_from: 2024-06-41\n")
    with pytest.raises(ConfigError, match=r"config\.yaml: day is out of range"):
        load_config(path)


def test_a_lone_event_type_is_a_list_of_one() -> None:
    options = {"event_key": "event", "event_types": "view"}
    assert LoadingConfig.parse(options, "test").event_types == ["view"]


def test_what_is_no_mapping_is_refused() -> None:
    with pytest.raises(ConfigError, match="config is None; options by name are expected"):
        as_config(None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"time_format": "%d/%m/%Y"}, "time_unit is 's'; set time_unit: timestamp"),
        ({"time_format": "%d/%m/%Q"}, "'%d/%m/%Q' has %Q; known are %Y "),
        ({"time_format": "%d/%m/%Y %"}, "'%d/%m/%Y %' has %; known are"),
        ({"time_format": ["%d/%m/%Y", 5]}, "time_format.1: Input should be a valid string"),
        ({"time_format": ""}, "at least 1 character"),
        ({"time_format": "%d/%m %H:%M"}, "'%d/%m %H:%M' lacks a year, month or day"),
        ({"time_format": "yesterday"}, "'yesterday' lacks a year, month or day"),
        ({"time_format": "%d/%m/%Y %I:%M"}, r"%I .* and %p .* go together"),
        ({"time_format": "%d/%m/%Y %H:%M %p"}, r"%I .* and %p .* go together"),
        ({"date_format": "%d/%m/%Y"}, "date_format is that of the column date_key; set it, too"),
        ({"date_key": "day", "date_format": "%d/%m"}, "'%d/%m' lacks a year, month or day"),
        (
            {"date_key": "day", "time_format": "%d/%m/%Y %H:%M", "time_unit": "timestamp"},
            "with date_key, time_format is that of clock times, such as '%H:%M:%S', not '%d/%m/%Y",
        ),
        ({"date_key": "day", "time_unit": "ordinal"}, "time_unit is 'ordinal'; change either"),
    ],
)
def test_a_format_that_cannot_be_read_is_refused(options: dict[str, Any], message: str) -> None:
    unit = {} if "unit is" in message else {"time_unit": "timestamp"}
    with pytest.raises(ConfigError, match=message):
        LoadingConfig.parse(unit | options, "test")


def test_formats_are_one_or_several_or_none() -> None:
    def formats(given: object) -> list[str]:
        return LoadingConfig.parse(
            {"time_unit": "timestamp", "time_format": given}, "x"
        ).time_format

    assert formats("%d/%m/%Y") == ["%d/%m/%Y"]
    assert formats(["%Y%j", "%b %d %y 100%%"]) == ["%Y%j", "%b %d %y 100%%"]
    assert formats(None) == formats([]) == []


@pytest.mark.parametrize("name", ["n_sample", "batch_size", "embedding", "layers"])
def test_sizes_that_fit_into_no_machine_are_refused(name: str) -> None:
    value = [2**40] if name == "layers" else 2**62
    with pytest.raises(ConfigError, match=rf"{name}.*should be less than 2147483648 \(got"):
        ModelConfig.parse({name: value}, origin="model")


@pytest.mark.parametrize(
    "content",
    [
        "model: {loss: " + "x" * 100_000 + "}",
        "model: {layers: [" + "x, " * 5_000 + "x]}",
        "data_split: {test_from: " + "z" * 100_000 + "}",
        "model: {layers: " + "[" * 5_000 + "]" * 5_000 + "}",
        "a0: &a0 [x, x]\n"
        + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
        + "model: {layers: *a39}",
    ],
    ids=["text", "list", "date", "brackets", "aliases"],
)
def test_a_message_about_long_values_is_short(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.yml").write_text(content)
    with pytest.raises(ConfigError, match=r"config\.yml") as caught:
        load_config(tmp_path / "config.yml")
    assert len(str(caught.value)) < 20_000


def test_options_that_are_none_are_shown_shortened() -> None:
    with pytest.raises(ConfigError, match="options by name are expected") as caught:
        ModelConfig.parse([1] * 1_000_000, origin="here")  # type: ignore[arg-type]
    assert len(str(caught.value)) < 300
