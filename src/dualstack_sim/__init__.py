"""A simulated Google Cloud and Kubernetes in which the product can be rehearsed over real protocols."""
