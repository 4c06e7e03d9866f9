"""What must hold after a migration or after a rollback, read from Compute and Kubernetes alone."""
