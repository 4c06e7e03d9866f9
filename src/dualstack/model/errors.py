"""The errors that the product raises (docs/reference/design-rules.md#typed-errors).

DualstackError
├── InvalidInput            the user's input cannot be used; nothing was started
├── Interrupted             the user has stopped a command; the cluster is at rest between two steps
├── GateFailed              a check between two transitions failed; the cluster is in a safe state
│   ├── WithoutEffect       the cloud reports success, but the change is never visible
│   └── Unsupported         the cloud lacks what the strategy needs; a retry does not help
├── ComputeError            Compute Engine refused a request or failed (subclasses in dualstack.gce.errors)
├── KubeError               the Kubernetes API refused a request or failed (subclasses in dualstack.kube.interface)
└── InvariantBroken         a plan would leave a pod CIDR unreachable; a defect, never executed
"""

from __future__ import annotations


class DualstackError(Exception):
    """Base of all errors that the product raises."""

    retry_after: float | None = None
    """Seconds after which a retry makes sense; None if unknown."""


class InvalidInput(DualstackError):
    """The user's input cannot be used. `faults` has one line for each fault."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Interrupted(DualstackError):
    """The user has stopped a command. The cluster is at rest between two steps."""


class GateFailed(DualstackError):
    """A check between two transitions failed. The state is stable, and the next reconcile resumes from it."""


class WithoutEffect(GateFailed):
    """The cloud reports success, but the change is never visible."""


class Unsupported(GateFailed):
    """The cloud lacks what the strategy needs; the user must choose another. `because`: what it lacks, as a clause."""

    def __init__(self, message: str, because: str) -> None:
        super().__init__(message)
        self.because = because


class ComputeError(DualstackError):
    """Compute Engine refused a request or failed an operation."""


class KubeError(DualstackError):
    """The Kubernetes API refused or failed a request."""


class InvariantBroken(DualstackError):
    """A planned transition would break the invariant in the message
    (docs/reference/design-rules.md#pod-cidr-reachable)."""
