"""Measures what Google's documents leave open, in a VPC network of its own (docs/evidence.md)."""
