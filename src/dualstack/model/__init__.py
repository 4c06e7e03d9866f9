"""Gardener's and Kubernetes' objects as typed values, and the rules on them; nothing here waits, reads or writes."""
