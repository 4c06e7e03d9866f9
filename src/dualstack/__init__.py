"""Take a running IPv4-only Kubernetes cluster on Google Cloud to dual-stack without losing a packet."""
