"""A cluster that was read from a real project, as a platform of simulated worlds."""
