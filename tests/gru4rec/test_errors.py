"""Values in messages are short, whatever they are."""

import pytest

from gru4rec.errors import MissingExtraError, shortened, shown

NESTED: object = 1
for _ in range(40):
    NESTED = [NESTED] * 9


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("shop", "'shop'"),
        (2**62, "4611686018427387904"),
        ([1, "a"], "[1, 'a']"),
        (None, "None"),
    ],
)
def test_short_values_are_whole(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, NESTED, {"a": NESTED}, [b"x" * 10_000_000]],
    ids=["text", "nested", "mapping", "bytes"],
)
def test_long_values_are_short(value: object) -> None:
    assert 10 < len(shown(value)) < 210


def test_a_long_text_keeps_its_ends() -> None:
    text = shortened("begin" + "x" * 10_000 + "end")
    assert text.startswith("beginx")
    assert text.endswith("xend")
    assert len(text) < 210


def test_an_integer_that_python_does_not_write_has_a_type() -> None:
    assert shown(10**5000) == "a value of type int"


@pytest.mark.parametrize(("prefix", "pip"), [("/p/.venv", ".venv/bin/pip"), ("/usr", "pip")])
def test_how_to_install_an_extra(monkeypatch: pytest.MonkeyPatch, prefix: str, pip: str) -> None:
    monkeypatch.setattr("sys.prefix", prefix)
    error = MissingExtraError.of("onnx", "writing ONNX", ImportError("No module named 'onnx'"))
    assert str(error) == (
        "writing ONNX needs packages that are not installed (No module named 'onnx'); install the "
        f"extra onnx: {pip} install -e '.[onnx]' in the project's folder"
    )
