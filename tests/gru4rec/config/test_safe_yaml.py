"""YAML is read as usual; what is far larger than it looks is refused at once."""

import pytest
import yaml

from gru4rec import ConfigError
from gru4rec.config.safe_yaml import load_yaml

BOMB = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 40))
MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 20)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 100))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "model: {layers: [64, 32], loss: bpr-max}\nloading:\n",
        "base: &base {k: 5, m: 1}\nother: {<<: *base, m: 2}\nagain: [*base, *base]",
        "[" * 40 + "]" * 40,
        f"{list(range(20_000))}",
    ],
)
def test_what_is_read_is_what_the_safe_loader_reads(text: str) -> None:
    assert load_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "aliases .* stand for 4.4e\\+12 values"),
        (MERGED, "aliases .* stand for"),
        ("[" * 5000 + "]" * 5000, "nested more than 50"),
        ("[" * 200 + "]" * 200, "nested more than 50"),
        (CHAIN, "nested more than 50"),
        ("model: &m {layers: *m}", "nested more than 50"),
    ],
    ids=["bomb", "merged", "brackets", "fewer brackets", "chain", "itself"],
)
def test_what_is_larger_than_it_looks_is_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_yaml(text)


def test_code_is_not_run() -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        load_yaml("!!python/object/apply:os.getcwd []")
