"""Loops over numbers that are too slow in Python; they see arrays, not models or tables."""
