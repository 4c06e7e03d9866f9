"""Simulated worlds: platforms that build a cluster at rest, the servers, and the control endpoint."""
