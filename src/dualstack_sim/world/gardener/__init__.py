"""A Gardener-shaped cluster at rest, built from a Shoot."""
