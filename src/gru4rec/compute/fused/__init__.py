"""Kernels for GPUs in Triton: many small operations in one launch, where launches cost the most."""
