import math

import numpy as np
import pytest

from gru4rec.compute.compiled.arithmetic import exp, largest, sigmoid


def test_exp_is_that_of_64_bits() -> None:
    x = np.linspace(-87, 87, 20_001, dtype=np.float32)

    found = np.array([exp(value) for value in x])

    np.testing.assert_allclose(found, np.exp(x.astype(np.float64)), rtol=2e-7)


def test_exp_keeps_to_what_32_bits_hold() -> None:
    assert exp(np.float32(1000)) == exp(np.float32(87))
    assert exp(np.float32(-np.inf)) == exp(np.float32(-87)) > 0


def test_of_no_number_they_are_none() -> None:
    # else a training that diverges would go on unnoticed
    assert math.isnan(exp(np.float32(np.nan)))
    assert math.isnan(sigmoid(np.float32(np.nan)))


@pytest.mark.parametrize("n", [1, 7, 64, 100])
def test_largest(n: int) -> None:
    values = np.random.default_rng(n).normal(size=n).astype(np.float32)

    assert largest(values) == values.max()
    assert largest(-np.abs(values)) == -np.abs(values).min()
