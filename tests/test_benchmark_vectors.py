"""The benchmark of vectors; it needs the extra `ann`."""

from pathlib import Path

import pytest
from benchmarks import vectors

from gru4rec import GRU4Rec


def test_an_index_of_vectors_is_set_beside_exact_scores(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = tmp_path / "model.pth"
    for copies in (1, 2):  # the second time the model is there
        small = ["--items", "900", "--sessions", "400", "--units", "7", "--queries", "9"]
        vectors.main([*small, "--copies", str(copies), "--model", str(model)])
        found = capsys.readouterr().out
        n_items = len(GRU4Rec.load(model, device="cpu").vocabulary)
        assert f"{copies * n_items:,} items × 8, index in" in found
        lines = [line.split(" | ") for line in found.splitlines() if line.startswith("| ")]
        assert [row[0] for row in lines[1:]] == ["| 100", "| 200", "| 500", "| 1000"]
        recalls = [float(row[1]) for row in lines[1:]]
        assert recalls == sorted(recalls)
        assert recalls[-1] >= 0.99
        assert 0 < float(found.partition("cosine: ")[2].split()[0]) < 1
