"""What all tests share: one thread each, and examples that are the same on every run."""

import torch
from hypothesis import HealthCheck, settings

torch.set_num_threads(1)  # pytest-xdist has a process for each core already

settings.register_profile(
    "repeatable",
    derandomize=True,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("repeatable")
# `make soak`: many more examples, and others each time
settings.register_profile(
    "soak", settings.get_profile("repeatable"), derandomize=False, max_examples=2500
)
