"""Load balancers: forwarding rules, backend services, health checks, and groups of backends."""
