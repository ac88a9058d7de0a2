"""Recommendations of a model that is only read."""
