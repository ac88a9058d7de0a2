from collections.abc import Iterator
from pathlib import Path

import pytest

from gru4rec.preparation import plain_copies


@pytest.fixture
def cache_folder(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A cache folder of the test's own, where copies of text files are."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    plain_copies.cache_folder.cache_clear()
    yield folder
    plain_copies.cache_folder.cache_clear()
