"""Every error the product raises on purpose.

DualstackError
├── InvalidInput            what the user gave cannot be used; nothing was started
├── GateFailed              a check between two transitions did not pass; the cluster rests in a safe state
│   └── Unsupported         the cloud does not do what the strategy rests on; trying again does not help
├── ComputeError            Compute Engine refused or failed (subclasses in dualstack.gce.errors)
├── KubeError               the Kubernetes API refused or failed (subclasses in dualstack.kube.interface)
└── InvariantBroken         a plan would leave a pod CIDR unreachable; a defect, never executed
"""

from __future__ import annotations


class DualstackError(Exception):
    """Base of all errors raised on purpose."""

    retry_after: float | None = None
    """Seconds after which the same makes sense again; None where nobody can say."""


class InvalidInput(DualstackError):
    """What the user gave cannot be used. `faults` holds one line for each thing that is wrong."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class GateFailed(DualstackError):
    """A check between two transitions did not pass. The state that was reached is stable and is resumed from facts."""


class Unsupported(GateFailed):
    """The cloud does not do what the strategy rests on. Only another strategy helps, which a person has to choose.

    `because`: what it does not do, as a clause.
    """

    def __init__(self, message: str, because: str) -> None:
        super().__init__(message)
        self.because = because


class ComputeError(DualstackError):
    """Compute Engine refused a request or failed an operation."""


class KubeError(DualstackError):
    """The Kubernetes API refused or failed a request."""


class InvariantBroken(DualstackError):
    """A planned transition would break the invariant that its message names (DESIGN.md 3.3)."""
