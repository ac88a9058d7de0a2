"""Model files that are damaged, or made to do harm."""

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from gru4rec import GRU4Rec
from gru4rec.errors import ModelFileError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    events = pd.DataFrame(
        {"SessionId": [n // 4 for n in range(400)], "ItemId": [n * n % 97 for n in range(400)]}
    ).assign(Time=range(400))
    path = tmp_path_factory.mktemp("saved") / "model.pth"
    GRU4Rec(layers=[16], n_sample=8, batch_size=8, n_epochs=1, device="cpu").fit(events).save(path)
    return path.read_bytes()


@pytest.fixture
def path(saved: bytes, tmp_path: Path) -> Path:
    path = tmp_path / "model.pth"
    path.write_bytes(saved)
    return path


def refuse(path: Path, because: str) -> None:
    with pytest.raises(ModelFileError, match=because):
        GRU4Rec.load(path, device="cpu")


def change_members(path: Path, compression: int = zipfile.ZIP_STORED, **more: bytes) -> None:
    """Writes all members anew, and others beside them."""
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    folder = next(iter(members)).split("/")[0]
    members |= {f"{folder}/{name}": content for name, content in more.items()}
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def test_plain_torch_reads_a_sealed_file(path: Path) -> None:
    assert torch.load(path, weights_only=True)["format"] == "gru4rec-kedro"


def test_a_flipped_bit_is_refused_wherever_it_is(saved: bytes, path: Path) -> None:
    # the last two bytes before the comment are its length, the checksum is its own witness
    places = [*range(0, len(saved), 97), *range(len(saved) - 95, len(saved), 3)]
    for place in places:
        damaged = bytearray(saved)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        refuse(path, r"model\.pth")


def test_a_file_cut_off_at_any_kilobyte_is_refused(saved: bytes, path: Path) -> None:
    for length in [*range(0, len(saved), 1024), *range(len(saved) - 100, len(saved), 7)]:
        path.write_bytes(saved[:length])
        refuse(path, r"model\.pth")


def test_more_at_the_end_is_refused(saved: bytes, path: Path) -> None:
    path.write_bytes(saved + b"more")
    refuse(path, r"model\.pth")


def test_a_file_from_before_there_were_checksums_is_read(path: Path) -> None:
    expected = GRU4Rec.load(path, device="cpu").network.tables["output"]
    torch.save(torch.load(path, weights_only=True), path)

    assert torch.equal(GRU4Rec.load(path, device="cpu").network.tables["output"], expected)


def test_a_compressed_file_is_refused(path: Path) -> None:
    change_members(path, zipfile.ZIP_DEFLATED, **{"data/99": bytes(100_000_000)})
    assert path.stat().st_size < 1_000_000
    refuse(path, "it is compressed, which model files are not")


def test_a_directory_that_lies_about_sizes_is_refused(path: Path) -> None:
    change_members(path)
    content = bytearray(path.read_bytes())
    entry = content.index(b"PK\x01\x02")
    content[entry + 20 : entry + 28] = (2**31).to_bytes(4, "little") * 2  # both sizes
    path.write_bytes(content)
    refuse(path, "its members claim to be larger than the file")


def test_a_foreign_member_is_refused(path: Path) -> None:
    change_members(path, **{"code/run.py": b"print()"})
    refuse(path, r"it holds '.*code/run\.py', which is no part of a model file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(path: Path) -> None:
    change_members(path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(archive.infolist()[0].filename, b"another")
    refuse(path, "two of its members have the same name")


def nested(part: Any) -> Any:
    for _ in range(40):
        part = [part] * 10
    return part


@pytest.mark.parametrize(
    ("changes", "because"),
    [
        ({"tables": {"output": torch.zeros(1).expand(10**9, 250)}}, "output is not a plain array"),
        ({"fit": {"a": torch.zeros(1).expand(10**12)}}, "a is not a plain array"),
        ({"fit": [torch.zeros(10**5)] * 10**3}, "tensors claim to be larger than the"),
        ({"notes": {"a": nested(1)}}, "a is there twice"),
        ({"item_ids": nested("a")}, "item_ids is there twice"),
        ({"version": nested(1)}, "version is there twice"),
        ({"item_ids": [["a"]] * 97}, "there twice"),
        ({"item_ids": [7] * 97}, "neither 64-bit integers nor text"),
    ],
    ids=["table", "other", "shared", "notes", "ids", "version", "list", "numbers"],
)
def test_contents_that_would_grow_are_refused(
    path: Path, changes: dict[str, Any], because: str
) -> None:
    torch.save({**torch.load(path, weights_only=True), **changes}, path)
    refuse(path, because)


def test_weights_that_are_not_finite_are_refused(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["tables"]["bias"][3] = float("nan")
    torch.save(content, path)
    refuse(path, "its tensor bias holds numbers that are not finite")


def test_a_storage_that_claims_to_be_larger_than_its_member(path: Path) -> None:
    """Plain `torch.load` trusts the number, and reads what lies behind in memory."""
    torch.save({**torch.load(path, weights_only=True), "fit": torch.zeros(1000)}, path)
    with zipfile.ZipFile(path) as archive:
        structure = archive.read("model/data.pkl")
    claim = structure.replace((1000).to_bytes(2, "little"), b"\xff\xff")
    assert claim != structure
    change_members(path, **{"data.pkl": claim})
    refuse(path, "cannot be read as a model file.*|larger than the file")


LOAD = """
import resource, sys
from gru4rec import GRU4Rec
from gru4rec.errors import ModelFileError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    GRU4Rec.load(sys.argv[1], device="cpu")
except ModelFileError:
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_a_refusal_takes_little_memory(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["tables"]["output"] = torch.zeros(1).expand(10**9, 250)  # a terabyte in four bytes
    torch.save(content, path)
    command = [sys.executable, "-c", LOAD, str(path)]
    megabytes = subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert int(megabytes) < 100
