"""The CNI of a Shoot, whichever it is."""

from __future__ import annotations

from dualstack.gardener.model.networks import Networks
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render import calico, cilium
from dualstack.model.errors import InvalidInput
from dualstack.model.kinds import Manifest


def objects(shoot: ShootView, networks: Networks) -> list[Manifest]:
    """What the ManagedResource of the CNI holds; InvalidInput for a CNI other than calico and cilium."""
    if shoot.cni == "calico":
        return calico.objects(shoot, networks)
    if shoot.cni == "cilium":
        return cilium.objects(shoot, networks)
    raise InvalidInput(f'spec.networking.type: Unsupported value: "{shoot.cni}": supported values: "calico", "cilium"')


def daemon_set_name(shoot: ShootView) -> str:
    """The DaemonSet of the CNI in kube-system."""
    return calico.DAEMON_SET_NAME if shoot.cni == "calico" else cilium.DAEMON_SET_NAME
