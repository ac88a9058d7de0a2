"""Reads configuration files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from gru4rec.addresses import locate, reaching, show
from gru4rec.config.safe_yaml import load_yaml
from gru4rec.config.sections import Config
from gru4rec.errors import ConfigError, shortened


def load_config(path: str | Path) -> Config:
    """Reads a configuration file.

    Args:
        path: A YAML file with any of the sections of `Config`.

    Returns:
        The validated configuration; `config["model"]` is a mapping.

    Raises:
        ConfigError: The file is missing, is not YAML, or an option in it is wrong. All mistakes
            are in the one message.
    """
    file = locate(path, ConfigError)
    path = show(file)
    try:
        with reaching(file):
            text = file.read_text(encoding="utf-8")
        content = load_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{path} cannot be read as a configuration: {error}") from None
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no text, or no such date
        raise ConfigError(
            f"Cannot read the configuration file {path}: {shortened(str(error))}"
        ) from None
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path} holds {type(content).__name__}, but sections such as 'model:' are expected"
        )
    return Config.parse(content, origin=str(path))


def as_config(config: Config | Mapping[str, Any]) -> Config:
    """Returns a `Config`, validating a plain mapping of sections."""
    return config if isinstance(config, Config) else Config.parse(config, origin="config")
