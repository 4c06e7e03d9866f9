"""Validation by Gardener's API and extensions, with field paths and Gardener's wording."""
