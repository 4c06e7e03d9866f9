"""The CNIs of simulated nodes: one module for each, listed in `registry`."""
