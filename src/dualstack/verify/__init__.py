"""What must hold after a migration, read from Compute and Kubernetes alone."""
