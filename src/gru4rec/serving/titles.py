"""Titles of items, for those who read."""

from collections.abc import Iterable, Mapping
from typing import Any


def titles_of(ids: Iterable[Any], titles: Mapping[Any, str] | None = None) -> list[str]:
    """Returns the title of each item; those without one are shown by their ids.

    Args:
        ids: Of items, text or numbers.
        titles: Titles by id as text, so that a file of titles fits either kind of ids.
    """
    known = titles or {}
    return [known.get(text, text) for text in map(str, ids)]
