"""Read-only: the facts of a cluster and its project in, findings out."""
