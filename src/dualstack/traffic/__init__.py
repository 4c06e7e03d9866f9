"""Measures the interruptions of traffic between the nodes of a live cluster (docs/traffic.md)."""
