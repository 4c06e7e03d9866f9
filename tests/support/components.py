"""The components that a migration edits, in each phase of it and of the way back."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

from dualstack.gardener.model.infrastructure import InfrastructureStatus, NetworkStatus, Subnet
from dualstack.gardener.model.networks import kubelet_dns, networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import (
    control_plane,
    coredns,
    kube_apiserver,
    kube_controller_manager,
    kube_proxy,
    kubelet,
    machine_class,
    network,
)
from dualstack.model.kinds import Manifest
from dualstack.model.parts import Part, identity
from tests.unit.model import golden

_FORWARD = ("P0", "P1", "P2", "P3", "P4", "P5")


def _status(view: ShootView) -> InfrastructureStatus:
    families = ("IPv4", "IPv6") if view.dual_stack_infrastructure else ("IPv4",)
    subnets = (Subnet(name="shoot--foo--bar-nodes", purpose="nodes"),)
    return InfrastructureStatus(networks=NetworkStatus(subnets=subnets, ipfamilies=families))


def _back(cni: str) -> ShootView:
    shoot = golden.shoot_in("P5", cni=cni)
    shoot["spec"]["networking"]["ipFamilies"] = ["IPv4"]
    shoot["status"]["constraints"] = [{"type": "DualStackNodesMigrationReady", "status": "True"}]
    return ShootView.of(shoot)


def _machines(view: ShootView) -> list[Part]:
    return [machine_class.machine_class(view, _status(view), view.pools[0], view.pools[0].parts[0])]


COMPONENTS: dict[str, Callable[[ShootView], list[Part]]] = {
    "kube-apiserver": lambda view: [kube_apiserver.deployment(view, networks(view))],
    "kube-controller-manager": lambda view: [kube_controller_manager.deployment(view, networks(view))],
    "control plane": lambda view: control_plane.objects(view, _status(view), "proj-1"),
    "kube-proxy": lambda view: kube_proxy.objects(view, networks(view)),
    "calico": lambda view: network.objects(view, networks(view)),
    "cilium": lambda view: network.objects(view, networks(view)),
    "coredns": lambda view: coredns.objects(view, networks(view), restarted_at=_restart(view)),
    "kubelet": lambda view: [kubelet.operating_system_config(view, view.pools[0], kubelet_dns(view, networks(view)))],
    "machine class": _machines,
}


def _restart(view: ShootView) -> str | None:
    return "2026-01-01T00:00:00Z" if view.dual_stack_infrastructure else None


def _views(component: str) -> list[ShootView]:
    cni = "cilium" if component == "cilium" else "calico"
    return [*(golden.view_in(phase, cni=cni) for phase in _FORWARD), _back(cni)]


@cache
def stages_of(component: str) -> list[list[Part]]:
    """The parts of a component in each phase of a migration and of the way back."""
    return [COMPONENTS[component](view) for view in _views(component)]


@cache
def view_in(phase: str) -> ShootView:
    return _back("calico") if phase == "back" else golden.view_in(phase)


def edited_by(parts: list[Part], live: Manifest) -> Manifest:
    """The live object after its part's edit; an object that no part changes stays."""
    found = [part for part in parts if part.identity == identity(live)]
    return found[0].edit(live) if found else live
