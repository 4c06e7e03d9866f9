"""What can stop the migration of a Gardener Shoot beyond the cloud: read before the first change."""
