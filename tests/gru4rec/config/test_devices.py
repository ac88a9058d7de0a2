import pytest

from gru4rec.config import resolve_device
from gru4rec.errors import ConfigError


def test_a_cpu_is_always_there() -> None:
    assert resolve_device("cpu").type == "cpu"


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_prefers_cuda_then_mps(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, mps: bool, expected: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: cuda)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: mps)

    assert resolve_device("auto").type == expected


@pytest.mark.parametrize(
    ("name", "count", "there"),
    [("cuda", 1, True), ("cuda:0", 1, True), ("cuda:1", 1, False), ("cuda", 0, False)],
)
def test_a_device_is_looked_for(
    monkeypatch: pytest.MonkeyPatch, name: str, count: int, there: bool
) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)

    if there:
        assert str(resolve_device(name)) == name
    else:
        with pytest.raises(ConfigError, match=f"device is '{name}', but torch sees {count} cuda"):
            resolve_device(name)


def test_a_device_of_no_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="device is 'xyz'; expected auto"):
        resolve_device("xyz")
