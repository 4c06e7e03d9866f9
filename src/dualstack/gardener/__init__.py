"""Gardener: its objects, validation, rendering and controllers, and its implementation of the cut-over's platform."""
