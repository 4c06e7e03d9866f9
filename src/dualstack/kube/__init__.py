"""Access to Kubernetes. Controllers depend on `interface` only."""
