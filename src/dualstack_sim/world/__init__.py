"""The simulated world: the cluster at rest as a Shoot describes it, the servers, the control endpoint."""
