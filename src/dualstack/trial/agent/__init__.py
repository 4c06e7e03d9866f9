"""The program that a trial runs on its VMs, and what it is sent and reports (docs/evidence.md#agent)."""
