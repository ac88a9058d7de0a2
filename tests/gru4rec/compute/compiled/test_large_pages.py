import re
import sys
from pathlib import Path

import pytest
import torch

from gru4rec.compute.compiled.large_pages import use_large_pages

THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def flags_at(address: int) -> list[str]:
    """What the system notes about the memory at an address."""
    mappings = re.split(r"(?m)^(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text())
    for mapping in mappings[1:]:
        begin, end = (int(bound, 16) for bound in mapping.split(" ", 1)[0].split("-"))
        if begin <= address < end:
            return mapping.rpartition("VmFlags:")[2].split()
    raise AssertionError("nothing is there")


@pytest.mark.skipif(not THP.exists(), reason="this system has no large pages")
def test_large_tensors_are_wanted_in_large_pages() -> None:
    # 64 MB: of 32 MB and less, memory that was in large pages may come back
    tensor = torch.arange(8 << 20)
    before, middle = tensor.clone(), tensor[len(tensor) // 2 :].data_ptr()
    assert "hg" not in flags_at(middle)
    use_large_pages(tensor)
    assert "hg" in flags_at(middle)
    assert torch.equal(tensor, before)


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 19) - 1])
def test_small_tensors_stay_as_they_are(size: int) -> None:
    tensor = torch.arange(size)
    use_large_pages(tensor, tensor[:0])
    assert torch.equal(tensor, torch.arange(size))


def test_other_systems_have_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from gru4rec.compute.compiled import large_pages

    large_pages._madvise.cache_clear()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert large_pages._madvise() is None
    use_large_pages(torch.arange(1 << 20))
    large_pages._madvise.cache_clear()
