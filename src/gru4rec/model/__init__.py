"""Weights as tensors: the network, its losses, optimiser and negatives, the memory they take."""
