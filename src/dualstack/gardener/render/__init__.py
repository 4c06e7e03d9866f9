"""Manifests of every component in every phase of the migration, from values alone."""
