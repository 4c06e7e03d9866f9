"""One project: its inventory, quotas, places, latency and saved state."""
