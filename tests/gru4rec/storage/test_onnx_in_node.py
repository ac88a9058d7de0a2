"""The example in docs/serving.md, in TypeScript and run by Node, recommends what the model does."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from gru4rec import GRU4Rec

pytest.importorskip("onnxscript")

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/serving.md").read_text()
PACKAGES = Path(sys.prefix) / "node_modules"
WANTED = ("onnxruntime-node", "typescript", "@types/node")
MISSING = [name for name in WANTED if not (PACKAGES / name).is_dir()]


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
@pytest.mark.skipif(bool(MISSING), reason=f"no {', '.join(MISSING)} in {PACKAGES}")
def test_node_recommends_the_same_items(tmp_path: Path) -> None:
    clicks = pd.read_csv(ROOT / "data/01_raw/sample_clicks.csv").head(2000)
    gru = GRU4Rec(layers=[8, 6], n_sample=32, n_epochs=1, device="cpu").fit(clicks)
    gru.export_onnx(tmp_path / "best.onnx", k=5)
    ids = [str(item) for item in gru.vocabulary.ids.tolist()]
    (tmp_path / "item_ids.json").write_text(json.dumps(ids))
    (tmp_path / "node_modules").symlink_to(PACKAGES)
    [example] = re.findall(r"^```ts\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "recommend.mts").write_text(example)

    def output(*command: str) -> str:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    [compiling] = re.findall(r"npx tsc (.*) &&", PAGE)
    output(str(PACKAGES / ".bin/tsc"), *shlex.split(compiling))
    session = [*clicks["ItemId"].head(3).tolist(), -1]  # the model does not know the last one
    rows = [
        line.split() for line in output("node", "recommend.mjs", *map(str, session)).splitlines()
    ]

    expected = gru.recommend([session], k=5)
    assert [int(item) for item, _ in rows] == expected["item"].tolist()
    scores = [float(score) for _, score in rows]
    assert scores == pytest.approx(expected["score"].tolist(), abs=1e-5)
