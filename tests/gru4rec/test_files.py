import os
from pathlib import Path

import pytest

from gru4rec.files import written_whole


def test_takes_the_place_of_the_file_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with written_whole(path) as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert path.read_text() == "old"

    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_leaves_all_as_it_was_when_writing_fails(
    tmp_path: Path, error: type[BaseException]
) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with written_whole(path) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()

    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]
