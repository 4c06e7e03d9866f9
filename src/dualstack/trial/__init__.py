"""Measures how the real cloud answers the open questions, with VMs of its own (docs/evidence.md)."""
