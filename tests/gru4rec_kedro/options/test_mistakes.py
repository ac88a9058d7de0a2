"""Every option of every section refuses a wrong type, an impossible value and a misspelt name."""

import math
import types
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

import pytest
import yaml
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project

from gru4rec import Config, ConfigError, load_config
from gru4rec.config import Section
from gru4rec_kedro.errors import RunError
from gru4rec_kedro.options.parameters import Parameters

PROJECT = Path(__file__).parents[3]
# any number will do
UNBOUNDED = {"sample_alpha", "test_from", "valid_from", "until", "recall", "mrr", "ndcg"}


def options_of(whole: type[Section]) -> list[tuple[str, str]]:
    """Section and name of each option; those that stand alone are in the section ''."""
    found = []
    for name, field in whole.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found += [(name, option) for option in field.annotation.model_fields]
        else:
            found.append(("", name))
    return found


EVERY = [(whole, *option) for whole in (Config, Parameters) for option in options_of(whole)]


def types_in(annotation: Any) -> set[Any]:
    """The plain types that an annotation is made of."""
    parts = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return types_in(parts[0])
    if get_origin(annotation) in (None, dict) or not parts:
        return {get_origin(annotation) or annotation}
    return set().union(*(types_in(part) if part is not types.NoneType else set() for part in parts))


def annotation_of(whole: type[Section], section: str, name: str) -> Any:
    owner = whole.model_fields[section].annotation if section else whole
    return owner.model_fields[name].annotation


def mistake(whole: type[Section], section: str, options: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        whole.parse({section: options} if section else options, "here")
    return str(caught.value)


@pytest.mark.parametrize(("whole", "section", "name"), EVERY)
def test_a_wrong_type_is_refused(whole: type[Section], section: str, name: str) -> None:
    kinds = types_in(annotation_of(whole, section, name))
    where = f"{section}.{name}".strip(".")
    wrong: list[Any] = [[{"a": [1]}], [[None]]]
    wrong += [] if dict in kinds else [{"a": 1}]
    wrong += ["maybe"] if bool in kinds else [True]
    wrong += ["many"] if kinds & {int, float} and str not in kinds else [1.5]
    for value in wrong:
        assert f"  {where}" in mistake(whole, section, {name: value}), value


@pytest.mark.parametrize(("whole", "section", "name"), EVERY)
def test_a_number_out_of_range_is_refused(whole: type[Section], section: str, name: str) -> None:
    kinds = types_in(annotation_of(whole, section, name))
    for value in [math.inf, math.nan, *([] if name in UNBOUNDED else [-1, -0.5])]:
        given: Any = {20: value} if dict in kinds else value
        assert f"  {section}.{name}".replace(" .", " ") in mistake(whole, section, {name: given})


@pytest.mark.parametrize(("whole", "section", "name"), EVERY)
def test_an_empty_text_is_refused(whole: type[Section], section: str, name: str) -> None:
    if (section, name) == ("published", "source"):  # of nothing published
        whole.parse({section: {name: ""}}, "here")
    else:
        assert f"  {section}.{name}".replace(" .", " ") in mistake(whole, section, {name: ""})


@pytest.mark.parametrize(("whole", "section", "name"), EVERY)
def test_the_nearest_name_is_suggested(whole: type[Section], section: str, name: str) -> None:
    misspelt = name[:-1] + "_" + name[-1]
    where = f"{section}.{misspelt}".strip(".")
    expected = f"  {where}: unknown option; did you mean {name!r}?"
    assert expected in mistake(whole, section, {misspelt: 1})


def misspell_all(whole: type[Section]) -> dict[str, dict[str, int]]:
    wrong: dict[str, dict[str, int]] = {}
    for section, name in options_of(whole):
        if section:
            wrong.setdefault(section, {})[f"{name}_"] = 1
    return wrong


def test_all_mistakes_of_a_file_are_in_one_report(tmp_path: Path) -> None:
    wrong = misspell_all(Config)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(wrong))
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "config.yaml")
    for section, options in wrong.items():
        for name in options:
            assert f"  {section}.{name}: unknown option; did you mean {name[:-1]!r}?" in str(
                caught.value
            )


def test_all_mistakes_of_a_run_are_in_one_report_before_any_node() -> None:
    wrong = misspell_all(Parameters)
    bootstrap_project(PROJECT)
    with (
        KedroSession.create(PROJECT, env="test", runtime_params=wrong) as session,
        pytest.raises(RunError) as caught,
    ):
        session.load_context()
    for section, options in wrong.items():
        for name in options:
            assert f"  {section}.{name}: unknown option; did you mean {name[:-1]!r}?" in str(
                caught.value
            )
