"""A running cluster on Google Compute Engine, as its kubeconfig and its project show it, whatever manages it."""
