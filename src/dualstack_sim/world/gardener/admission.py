"""Defaulting, mutation and validation of Shoots by the garden API (docs/reference/gardener.md#shoot-api)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualstack.gardener.model.defaults import add_task, with_defaults
from dualstack.gardener.model.kinds import SHOOT
from dualstack.gardener.model.names import TASK_DEPLOY_INFRASTRUCTURE
from dualstack.gardener.validation.field_errors import Fault
from dualstack.gardener.validation.shoot import validate_spec, validate_update
from dualstack.gardener.validation.shoot_shape import shape_faults
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
        complete = with_defaults(_with_overlay(operation, old, new))
        faults = validate_spec(complete)
        if old is not None:
            faults += validate_update(old, complete, mask_may_leave=self.garden.mask_may_leave)
        if faults:
            raise _refusal(new, faults)
        return _with_tasks(old, complete)


def _with_overlay(operation: Operation, old: Manifest | None, new: Manifest) -> Manifest:
    """The mutator of provider-gcp: by default no overlay and no SNAT to DNS, an update keeps the old setting
    (docs/reference/gardener.md#provider-mutator)."""
    networking: dict[str, Any] = dig(new, "spec", "networking") or {}
    if dig(new, "spec", "provider", "type") != "gcp" or not dig(new, "spec", "provider", "workers"):
        return new
    config = dict(networking.get("providerConfig") or {})
    if config.get("overlay") is None:
        kept = dig(old, "spec", "networking", "providerConfig", "overlay")
        overlay = {"enabled": False} if operation == "CREATE" else kept
        if overlay is not None:
            config["overlay"] = overlay
    if dig(config, "overlay", "enabled") is False:
        config["snatToUpstreamDNS"] = {**(config.get("snatToUpstreamDNS") or {}), "enabled": False}
    if not config:
        return new
    return {**new, "spec": {**new["spec"], "networking": {**networking, "providerConfig": config}}}


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
