"""The pipelines; none imports another, the catalog connects them."""
