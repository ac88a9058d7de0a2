"""YAML whose reading takes no more than its length lets expect.

A few lines can nest aliases so that they stand for a billion values, or brackets beyond what
Python's stack holds.
"""

from typing import Any

import yaml

from gru4rec.errors import ConfigError

_DEEPEST = 50
_MOST_REPEATED = 10_000


def load_yaml(text: str) -> Any:
    """Reads plain values; runs no code.

    Args:
        text: One document.

    Raises:
        ConfigError: It is nested too deeply, or its aliases stand for too many values.
        ValueError: A value is impossible, such as a date.
        yaml.YAMLError: It is no YAML.
    """
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        measured: dict[int, tuple[int, int]] = {}
        n_repeated = _measure(node, 1, measured)[0] - len(measured)
        if n_repeated > _MOST_REPEATED:
            raise ConfigError(
                f"its aliases (*name) stand for {n_repeated:.3g} values, and {_MOST_REPEATED:,} "
                "are allowed; write out what is needed"
            )
        return loader.construct_document(node)
    except RecursionError:
        raise _too_deep() from None
    finally:
        loader.dispose()


def _measure(node: yaml.Node, depth: int, measured: dict[int, tuple[int, int]]) -> tuple[int, int]:
    """Counts the values that a node stands for, itself included, and their levels.

    Args:
        node: Of the graph in which an alias is the node that it names.
        depth: Nodes above it, and itself: without end where a node is part of itself.
        measured: What was returned so far, by `id` of the node; is filled.
    """
    if id(node) not in measured:
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        if depth > _DEEPEST:
            raise _too_deep()
        below = [_measure(part, depth + 1, measured) for part in parts]
        n_values = 1 + sum(n for n, _ in below)
        measured[id(node)] = n_values, 1 + max((levels for _, levels in below), default=0)
    if measured[id(node)][1] > _DEEPEST:
        raise _too_deep()
    return measured[id(node)]


def _too_deep() -> ConfigError:
    return ConfigError(
        f"it is nested more than {_DEEPEST} levels deep, which no option is; is a bracket missing?"
    )
