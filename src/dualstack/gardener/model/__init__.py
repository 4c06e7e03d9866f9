"""Gardener's objects as typed values: Shoot, Infrastructure, pools, networks, constraints."""
