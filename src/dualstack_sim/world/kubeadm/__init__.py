"""A cluster that kubeadm made on Compute Engine VMs, at rest, without any object of Gardener."""
