"""The simulated Kubernetes API: one server that plays garden, seed and shoot cluster."""
