"""A world on a real API server: actors, operator and commands reach it through a proxy that translates time."""
