"""Manifests of every component in every phase of the migration, as pure functions."""
