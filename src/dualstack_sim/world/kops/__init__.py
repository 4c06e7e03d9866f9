"""A cluster that kOps made on Compute Engine, at rest; apart from that as of kubeadm
(docs/reference/kubernetes.md#kops)."""
