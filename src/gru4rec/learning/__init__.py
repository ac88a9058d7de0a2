"""Training: the step with its gradients, and the loop over an epoch."""
