"""What a server answers in which time: `python -m benchmarks.serving`."""
