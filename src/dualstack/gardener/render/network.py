"""The CNI of a Shoot, in ManagedResource `extension-networking-<type>-config`."""

from __future__ import annotations

from dataclasses import replace

from dualstack.cni import network_types
from dualstack.cni.interface import Cni, PodNetwork
from dualstack.gardener.model.networks import Networks, network_families
from dualstack.gardener.model.shoot import ShootView
from dualstack.gardener.render.families import from_migration_on
from dualstack.model.errors import InvalidInput
from dualstack.model.field_errors import not_supported
from dualstack.model.parts import Part


def cni_of(network_type: str) -> Cni:
    """The CNI of this `spec.networking.type`; raises InvalidInput when Gardener does not install it."""
    types = network_types()
    if network_type not in types:
        raise InvalidInput(str(not_supported("spec.networking.type", network_type, tuple(types))))
    return types[network_type]


def objects(shoot: ShootView, networks: Networks) -> list[Part]:
    """The objects of the CNI for the families that the migration allows now."""
    network = PodNetwork(network_families(shoot), networks.pods, networks.nodes, shoot.network_config)
    parts = cni_of(shoot.cni).objects(network)
    return [replace(part, edit=from_migration_on(shoot, part.edit)) for part in parts]
