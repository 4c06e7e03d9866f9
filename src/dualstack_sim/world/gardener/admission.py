"""Defaulting, mutation and validation of Shoots by the garden API (docs/reference/gardener.md#shoot-api)."""

from __future__ import annotations

from dataclasses import dataclass

from dualstack.gardener.model.defaults import add_task, with_defaults, with_overlay
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import TASK_DEPLOY_INFRASTRUCTURE
from dualstack.gardener.validation.shoot import validate_spec, validate_update
from dualstack.gardener.validation.shoot_shape import shape_faults
from dualstack.model.field_errors import Fault
from dualstack.model.json_path import dig
from dualstack.model.kinds import Kind, Manifest
from dualstack_sim.kube.preparation import AdmissionRegistry, Operation
from dualstack_sim.kube.status import Cause, invalid
from dualstack_sim.world.gardener.knobs import Garden


def register(admission: AdmissionRegistry, garden: Garden | None = None) -> None:
    """Default, mutate and validate Shoots from now on."""
    admission.register(SHOOT.group, SHOOT.plural, ShootAdmission(garden or Garden()))


@dataclass(frozen=True, slots=True)
class ShootAdmission:
    """The admission hook for Shoots of one garden."""

    garden: Garden

    def __call__(self, operation: Operation, kind: Kind, old: Manifest | None, new: Manifest) -> Manifest:
        """The Shoot to store. StatusError 422 with all validation errors. Metadata is not validated."""
        if old is not None and old.get("spec") == new.get("spec"):
            return new
        faults = shape_faults(new)
        if faults:
            raise _refusal(new, faults)
        complete = with_defaults(with_overlay(new, None if operation == "CREATE" else old))
        faults = validate_spec(complete)
        if old is not None:
            faults += validate_update(old, complete, mask_may_leave=self.garden.mask_may_leave)
        if faults:
            raise _refusal(new, faults)
        return _with_tasks(old, complete)


def _with_tasks(old: Manifest | None, new: Manifest) -> Manifest:
    """Additional families, or another infrastructureConfig, request the deployInfrastructure task
    (docs/reference/gardener.md#infrastructure-task)."""
    if old is None:
        return new
    path = ("spec", "provider", "infrastructureConfig")
    grown = len(_families(old)) < len(_families(new))
    return add_task(new, TASK_DEPLOY_INFRASTRUCTURE) if grown or dig(old, *path) != dig(new, *path) else new


def _families(shoot: Manifest) -> list[str]:
    return dig(shoot, "spec", "networking", "ipFamilies") or ["IPv4"]


def _refusal(shoot: Manifest, faults: tuple[Fault, ...]) -> Exception:
    causes = [Cause(fault.reason, fault.body, fault.field) for fault in faults]
    return invalid(SHOOT.group, SHOOT.kind, dig(shoot, "metadata", "name") or "", causes)
