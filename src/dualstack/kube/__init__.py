"""Access to Kubernetes: `interface` is all that the controllers know of it."""
