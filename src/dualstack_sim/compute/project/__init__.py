"""One project: its inventory, quotas, locations, latency and saved state."""
