"""Requests that real upstream programs sent to the simulated Compute Engine (tests/data/recordings/README.md)."""
